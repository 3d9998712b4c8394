//! How long synthesis takes for WebSocket APIs with so many routes, in microseconds:
//! `cargo run --release -p infra-gen --example many_routes -- 10 100 1000`.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use anyhow::Context;
use constructs::{
    Function, FunctionOptions, Grantable, Queue, RouteKey, Stack, Table, WebSocketApi,
};
use stagecast_contract::{
    functions::WebSocketFunction,
    queues::DeliveryQueue,
    tables::{Connections, JobEvents, Jobs, Subscribers},
};
use stagecast_infra::{
    construct_options, environments::Environment, stack::WEBSOCKET_STAGE, template::Format,
};
use typed_contract::{functions::Function as _, queues::Queue as _, tables::Table as _};

/// The median of so many runs counts.
const RUNS: usize = 31;

/// The template of an API with these routes, from constructs to YAML.
fn synthesize(keys: &[RouteKey]) -> anyhow::Result<String> {
    let environment = Environment::prod();
    let mut stack = Stack::new(
        "Many routes",
        construct_options::stack_settings(&contract::PRODUCT, &environment),
    )?;
    let options = construct_options::websocket_api(&environment, WEBSOCKET_STAGE);
    let websocket = WebSocketApi::add(&mut stack, options)?;
    let resources = Grantable {
        tables: [
            Connections::SPEC,
            Subscribers::SPEC,
            Jobs::SPEC,
            JobEvents::SPEC,
        ]
        .into_iter()
        .map(|table| Table::add(&mut stack, table))
        .collect::<Result<_, _>>()?,
        queues: vec![Queue::add(&mut stack, DeliveryQueue::SPEC)?],
        buckets: Vec::new(),
        websocket: Some(websocket.clone()),
    };
    let options = FunctionOptions {
        resources: &resources,
        values: &construct_options::setting_values(
            &contract::PRODUCT,
            &environment,
            &websocket,
            &stack.allowed_origins(),
        ),
        reserved_concurrency: None,
    };
    let function = Function::add(&mut stack, WebSocketFunction::SPEC, options)?;
    websocket.add_routes(&mut stack, &function, keys.iter().cloned())?;
    let template = stack.into_template();
    Ok(template.render(Format::CloudFormation).to_yaml()?)
}

fn main() -> anyhow::Result<()> {
    for argument in std::env::args().skip(1) {
        let count: usize = argument
            .parse()
            .with_context(|| format!("'{argument}' is no number of routes"))?;
        let keys: Vec<_> = (0..count)
            .map(|number| RouteKey::new(&format!("route_{number}")))
            .collect::<Result<_, _>>()?;
        let mut times = Vec::with_capacity(RUNS);
        for _ in 0..RUNS {
            let start = Instant::now();
            let template = synthesize(&keys)?;
            times.push(start.elapsed());
            drop(template);
        }
        times.sort_unstable();
        let median: Duration = times[RUNS / 2];
        writeln!(io::stdout(), "{count} {}", median.as_micros())?;
    }
    Ok(())
}
