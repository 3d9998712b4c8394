//! The stack of the whole system.

use contract::{
    buckets,
    functions::{self},
    queues,
    routes::{HttpRoute, Route},
    tables,
};
use typed_contract::functions::Trigger;

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
        tables: add_all(&mut stack, tables::ALL, Table::add)?,
        queues: add_all(&mut stack, queues::ALL, Queue::add)?,
        buckets: add_all(&mut stack, buckets::ALL, Bucket::add)?,
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

/// Adds a construct for each of the contract's declarations.
fn add_all<S, C>(
    stack: &mut Stack,
    specs: &[&'static S],
    add: fn(&mut Stack, &'static S) -> Result<C, SynthError>,
) -> Result<Vec<C>, SynthError> {
    specs.iter().map(|spec| add(stack, spec)).collect()
}
