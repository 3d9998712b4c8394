//! Measures the cost of reports, posts and fan-out. One executable has all roles of a measurement, each of
//! which runs as a process: the sink, each sender, the stack, the pipeline, the subscribers.
//! `bench/delivery/run.py` starts the roles, reads their results as JSON and prints the tables.

mod posts;
mod report;
mod sink;
mod stack;
mod stages;
mod subscribers;
mod wall_clock;

use std::{env, io::Write as _};

use anyhow::{Context as _, bail};
use serde_json::Value;

fn main() -> anyhow::Result<()> {
    let mut arguments = env::args();
    let own_name = arguments.next().unwrap_or_default();
    // The stack finds its functions by name: under the name `pipeline`, this is the pipeline function.
    if own_name.ends_with("/pipeline") {
        return stages::run();
    }
    let role = arguments.next().unwrap_or_default();
    let arguments: Vec<String> = arguments.collect();
    match (role.as_str(), arguments.as_slice()) {
        ("report", [rounds]) => print(&report::measure(number(rounds)?)),
        ("sink", [delay_millis]) => sink::run(number(delay_millis)?),
        ("post", [sender, address, connections, messages]) => print(&posts::measure(
            sender,
            address,
            number(connections)?,
            number(messages)?,
        )?),
        ("stack", [binaries, go]) => stack::run(binaries.into(), go),
        ("watch", [stack, audience, go]) => {
            print(&subscribers::measure(stack, number(audience)?, go)?)
        }
        _ => bail!("unknown role {role:?}: run bench/delivery/run.py"),
    }
}

fn number(text: &str) -> anyhow::Result<usize> {
    text.parse()
        .with_context(|| format!("{text} is not a number"))
}

/// Prints one line of JSON for the script.
fn print(value: &Value) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{value}")?;
    Ok(output.flush()?)
}
