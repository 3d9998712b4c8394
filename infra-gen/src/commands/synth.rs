//! `infra-gen synth`.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use anyhow::{Context, bail};
use clap::Args;
use infra_gen::{
    generated::{self, Comparison, GeneratedFile, Selection},
    template::Format,
};

use super::known_environment;
use crate::Outcome;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Compare instead of writing: print what would change and exit with 1 if anything would.
    #[arg(long, conflicts_with = "stdout")]
    check: bool,
    /// Only templates in this format: sam or cloudformation.
    #[arg(long)]
    format: Option<Format>,
    /// Only templates for this environment.
    #[arg(long, value_name = "NAME", value_parser = known_environment)]
    environment: Option<String>,
    /// Print one template instead of writing files; dev and sam unless told otherwise.
    #[arg(long)]
    stdout: bool,
    /// The folder of the generated files.
    #[arg(long, value_name = "DIR", default_value = "generated")]
    output_dir: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let selection = Selection {
        environment: arguments.environment.clone(),
        format: arguments.format,
    };
    if arguments.stdout {
        return print_one(selection);
    }
    let files = if selection == Selection::default() {
        generated::files()?
    } else {
        generated::templates(&selection)?
    };
    if arguments.check {
        check(arguments, &files)
    } else {
        write(arguments, &files)
    }
}

fn print_one(selection: Selection) -> anyhow::Result<Outcome> {
    let files = generated::templates(&Selection {
        environment: selection.environment.or_else(|| Some("dev".to_owned())),
        format: selection.format.or(Some(Format::Sam)),
    })?;
    let [file] = &files[..] else {
        bail!("one template was asked for, but there are {}", files.len());
    };
    io::stdout()
        .write_all(file.contents.as_bytes())
        .context("the template cannot be printed")?;
    Ok(Outcome::Done)
}

fn write(arguments: &Arguments, files: &[GeneratedFile]) -> anyhow::Result<Outcome> {
    let mut output = io::stdout();
    for file in files {
        let path = arguments.output_dir.join(&file.path);
        if file.compare(&arguments.output_dir)? == Comparison::Same {
            writeln!(output, "unchanged {}", path.display())?;
        } else {
            file.write(&arguments.output_dir)?;
            writeln!(output, "written   {}", path.display())?;
        }
    }
    Ok(Outcome::Done)
}

fn check(arguments: &Arguments, files: &[GeneratedFile]) -> anyhow::Result<Outcome> {
    let mut output = io::stdout();
    let mut outcome = Outcome::Done;
    for file in files {
        match file.compare(&arguments.output_dir)? {
            Comparison::Same => continue,
            Comparison::Missing => {
                let path = arguments.output_dir.join(&file.path);
                writeln!(output, "{} is missing", path.display())?;
            }
            Comparison::Different(diff) => write!(output, "{diff}")?,
        }
        outcome = Outcome::Differs;
    }
    if outcome == Outcome::Differs {
        writeln!(
            output,
            "\nThe generated files are not what the code says. To mend them, run:\n\n    {}",
            mending_command(arguments)
        )?;
    }
    Ok(outcome)
}

fn mending_command(arguments: &Arguments) -> String {
    let folder = arguments.output_dir.display().to_string();
    if folder == "generated" {
        "cargo run -p infra-gen -- synth".to_owned()
    } else {
        format!("cargo run -p infra-gen -- synth --output-dir '{folder}'")
    }
}
