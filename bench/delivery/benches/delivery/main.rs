//! What reporting, posting and fanning out cost. One executable, because every part of a measurement
//! is a process of its own: the sink, each sender, the stack, the pipeline, the watchers.
//! `bench/delivery/run.py` starts them in turns and prints the tables; here numbers are measured
//! and written as JSON.

mod posts;
mod report;
mod sink;
mod stack;
mod stages;
mod wall_clock;
mod watchers;

use std::{env, io::Write as _};

use anyhow::{Context as _, bail};
use serde_json::Value;

fn main() -> anyhow::Result<()> {
    let mut arguments = env::args();
    let own_name = arguments.next().unwrap_or_default();
    // The stack finds its functions by name: as `pipeline`, this is one.
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
            print(&watchers::measure(stack, number(audience)?, go)?)
        }
        _ => bail!("nobody but run.py starts this"),
    }
}

fn number(text: &str) -> anyhow::Result<usize> {
    text.parse().with_context(|| format!("{text} is no number"))
}

/// Writes one line of JSON for the script.
fn print(value: &Value) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{value}")?;
    Ok(output.flush()?)
}
