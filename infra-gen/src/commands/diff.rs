//! `infra-gen diff`.

use std::{
    io::{self, Write},
    path::Path,
};

use anyhow::Context;
use clap::Args;
use infra_gen::{
    diff::{Difference, Source, Summary, TemplateDocument, compare},
    environments::Environment,
    generated::template_path,
    stack,
    template::Format,
};
use serde::Serialize;

use super::{GENERATED, known_environment};
use crate::Outcome;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What the code's template would take the place of: a file, or a git revision's generated
    /// template.
    #[arg(long, value_name = "FILE|REVISION")]
    against: Source,
    /// The environment whose template is compared.
    #[arg(long, value_name = "NAME", default_value = "dev", value_parser = known_environment)]
    environment: String,
    /// Print the difference as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    environment: &'a str,
    against: &'a Source,
    summary: Summary,
    #[serde(flatten)]
    difference: &'a Difference,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let Arguments {
        against,
        environment,
        json,
    } = arguments;
    let generated = Path::new(GENERATED).join(template_path(environment, Format::Sam));
    let old = against.read(&generated)?;
    let new = stack::synthesize(&Environment::by_name(environment)?)?;
    let new = TemplateDocument::from_json(new.to_json(old.format())?)?;
    let difference = compare(&old, &new);

    let printed = if *json {
        let report = Report {
            environment,
            against,
            summary: difference.summary(),
            difference: &difference,
        };
        serde_json::to_string_pretty(&report)? + "\n"
    } else {
        difference.to_string()
    };
    io::stdout()
        .write_all(printed.as_bytes())
        .context("the difference cannot be printed")?;
    Ok(if difference.is_empty() {
        Outcome::Done
    } else {
        Outcome::Differs
    })
}
