//! `infra-gen outputs`.

use std::io::{self, Write};

use crate::{
    deploy::{DeployedStack, StackOutput, StackState},
    project::Project,
};
use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Map, Value};

use super::{
    hints::Hints, outcome::CommandOutcome, runtime::block_on, stack_options::StackOptions,
};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    stack: StackOptions,
    /// Print a JSON object with the values by name.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(project: Project, arguments: &Arguments) -> anyhow::Result<CommandOutcome> {
    let hints = Hints::new(project, "outputs", "", &arguments.stack);
    let name = arguments.stack.stack_name(project)?;
    let stack = block_on(async {
        let session = arguments.stack.session().await?;
        let stack = DeployedStack::find(&session.cloudformation, name.as_str()).await?;
        stack.with_context(|| {
            format!(
                "there is no stack {name} in {}\n  help: {} creates it; select another one with \
                 --stack-name, --name-suffix, --environment, --region and --profile",
                session.region,
                hints.deploy(name.as_str())
            )
        })
    })?;
    require_outputs(&stack, &hints)?;
    let printed = if arguments.json {
        json(&stack.outputs)?
    } else {
        table(&stack.outputs)
    };
    io::stdout().write_all(printed.as_bytes())?;
    Ok(CommandOutcome::Done)
}

/// Refuses a stack whose creation has not finished. It has no outputs yet, and an empty list would
/// look like a stack that declares none.
fn require_outputs(stack: &DeployedStack, hints: &Hints) -> anyhow::Result<()> {
    let DeployedStack { name, status, .. } = stack;
    if !stack.outputs.is_empty() || status.state() == StackState::Ready {
        return Ok(());
    }
    let help = match status.remediation() {
        Some(remediation) => hints.remediation(name, remediation),
        None => format!("{} creates it", hints.deploy(name)),
    };
    bail!(
        "the stack {name} has no outputs: it is {status}: {}\n  help: {help}",
        status.meaning(),
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
    let name_width = width(|output| &output.name);
    let value_width = width(|output| &output.value);
    let lines = outputs.iter().map(|output| {
        let StackOutput {
            name,
            value,
            description,
        } = output;
        format!("{name:name_width$}  {value:value_width$}  {description}\n")
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_has_columns_and_json_has_values_by_name() {
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
