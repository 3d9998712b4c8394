//! The stack of the whole system.

use contract::{
    buckets::{Bucket as _, Objects},
    functions::{self, Trigger},
    queues::{DeliveryQueue, JobQueue, Queue as _},
    routes::{HttpRoute, Route},
    tables::{Connections, JobEvents, Jobs, Subscribers, Table as _},
};

use crate::{
    constructs::{
        Alarms, Bucket, Dashboard, Function, Grantable, HttpApi, Monitored, Queue, Stack,
        StageName, SynthError, Table, WebSocketApi,
    },
    environments::Environment,
    template::Template,
};

/// The stage of the WebSocket API.
pub const WEBSOCKET_STAGE: StageName = StageName::new("live");

/// Synthesizes the template of the system for an environment.
pub fn synthesize(environment: &Environment) -> Result<Template, SynthError> {
    let mut stack = Stack::new(
        "Stagecast: streams live progress of long-running jobs",
        environment,
    )?;

    // The resources that grants refer to.
    let resources = Grantable {
        tables: vec![
            Table::add(&mut stack, Connections::SPEC)?,
            Table::add(&mut stack, Subscribers::SPEC)?,
            Table::add(&mut stack, Jobs::SPEC)?,
            Table::add(&mut stack, JobEvents::SPEC)?,
        ],
        queues: vec![
            Queue::add(&mut stack, JobQueue::SPEC)?,
            Queue::add(&mut stack, DeliveryQueue::SPEC)?,
        ],
        buckets: vec![Bucket::add(&mut stack, Objects::SPEC)?],
        websocket: WebSocketApi::add(&mut stack, WEBSOCKET_STAGE)?,
    };
    let http = HttpApi::add(&mut stack)?;

    // The functions with their triggers.
    let mut functions = Vec::new();
    for spec in functions::ALL {
        let function = Function::add(&mut stack, spec, &resources)?;
        for trigger in spec.triggers {
            match trigger {
                Trigger::WebSocketRoutes => {
                    resources
                        .websocket
                        .add_routes(&mut stack, Route::ALL, &function)?;
                }
                Trigger::HttpRoutes => {
                    http.add_routes(&mut stack, &HttpRoute::of(spec), &function)?;
                }
                Trigger::Queue { queue, batch_size } => {
                    resources.queue(spec, queue)?.add_event_source(
                        &mut stack,
                        &function,
                        *batch_size,
                    )?;
                }
            }
        }
        functions.push(function);
    }

    if environment.alarms {
        let monitored = Monitored {
            functions: &functions,
            resources: &resources,
            http: &http,
        };
        Alarms::add(&mut stack, monitored)?;
        Dashboard::add(&mut stack, monitored)?;
    }
    Ok(stack.into_template())
}
