//! `infra-gen outputs`.

use std::io::{self, Write};

use anyhow::bail;
use clap::Args;
use infra_gen::deploy::{DeployedStack, StackOutput, StackState};
use serde_json::{Map, Value};

use super::target::{Target, block_on};
use crate::Outcome;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Print them as JSON: values by name.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    block_on(async {
        let session = arguments.target.session().await?;
        let stack = arguments.target.stack(&session).await?;
        refuse_what_tells_nothing(&stack, &arguments.target)?;
        let printed = if arguments.json {
            json(&stack.outputs)?
        } else {
            table(&stack.outputs)
        };
        io::stdout().write_all(printed.as_bytes())?;
        Ok(Outcome::Done)
    })
}

/// A stack that is not made yet, or could not be made, has no outputs: to print none would look as
/// if there were none to have.
fn refuse_what_tells_nothing(stack: &DeployedStack, target: &Target) -> anyhow::Result<()> {
    let DeployedStack { name, status, .. } = stack;
    if !stack.outputs.is_empty() || status.state() == StackState::Settled {
        return Ok(());
    }
    let remediation = status.remediation(&target.naming(name));
    bail!(
        "the stack {name} tells nothing: it is {status}: {}\n  what to do: {}",
        status.meaning(),
        remediation.unwrap_or_else(|| format!("`infra-gen deploy{}` makes it", target.repeat()))
    )
}

fn json(outputs: &[StackOutput]) -> serde_json::Result<String> {
    let values: Map<String, Value> = outputs
        .iter()
        .map(|output| (output.name.clone(), output.value.clone().into()))
        .collect();
    Ok(serde_json::to_string_pretty(&values)? + "\n")
}

fn table(outputs: &[StackOutput]) -> String {
    let width = |text: fn(&StackOutput) -> &str| {
        let widths = outputs.iter().map(|output| text(output).chars().count());
        widths.max().unwrap_or_default()
    };
    let (name, value) = (width(|output| &output.name), width(|output| &output.value));
    let lines = outputs.iter().map(|output| {
        let StackOutput {
            name: a,
            value: b,
            description,
        } = output;
        format!("{a:name$}  {b:value$}  {description}\n")
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_columns_and_json_has_values_by_name() {
        let output = |name: &str, value: &str| StackOutput {
            name: name.to_owned(),
            value: value.to_owned(),
            description: format!("The {name}"),
        };
        let outputs = [output("Url", "wss://a"), output("StageName", "live")];
        assert_eq!(
            table(&outputs),
            "Url        wss://a  The Url\nStageName  live     The StageName\n"
        );
        let json: Value = serde_json::from_str(&json(&outputs).expect("JSON")).expect("JSON");
        assert_eq!(
            json,
            serde_json::json!({ "Url": "wss://a", "StageName": "live" })
        );
    }
}
