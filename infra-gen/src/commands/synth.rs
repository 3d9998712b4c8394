//! `infra-gen synth`.

use std::{
    env,
    io::{self, Write},
    path::PathBuf,
};

use anyhow::{Context, bail};
use clap::{ArgGroup, Args};
use infra_gen::{
    environments::{Architecture, NameSuffix, Origin, Overrides, RetentionDays},
    generated::{self, Comparison, GeneratedFile, Selection},
    template::Format,
};

use super::{GENERATED, known_environment, workspace};
use crate::Outcome;

// What differs from the environments must not end up among the files that CI compares with them.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("elsewhere").args(["output_dir", "stdout"]).multiple(true))]
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
    /// Print one template instead of writing files: of dev, for SAM, unless --environment and --format
    /// say otherwise.
    #[arg(long)]
    stdout: bool,
    /// The folder of the generated files. Without it: generated/ in the root of the workspace.
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// Where browsers may come from, in place of what the environment says; may be repeated.
    #[arg(long, value_name = "ORIGIN", value_parser = Origin::new, requires = "elsewhere")]
    allowed_origin: Vec<Origin>,
    /// Days that logs are kept, in place of what the environment says.
    #[arg(long, value_name = "DAYS", requires = "elsewhere")]
    log_retention: Option<RetentionDays>,
    /// What is appended to the names of tables and queues, in place of what the environment says.
    #[arg(long, value_name = "SUFFIX", value_parser = NameSuffix::new, requires = "elsewhere", allow_hyphen_values = true)]
    name_suffix: Option<NameSuffix>,
    /// What the functions run on, in place of what the environment says.
    #[arg(long, value_name = "arm64|x86_64", requires = "elsewhere")]
    architecture: Option<Architecture>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let selection = Selection {
        environment: arguments.environment.clone(),
        format: arguments.format,
        overrides: Overrides {
            allowed_origins: arguments.allowed_origin.clone(),
            log_retention: arguments.log_retention,
            name_suffix: arguments.name_suffix.clone(),
            architecture: arguments.architecture,
        },
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
        overrides: selection.overrides,
    })?;
    let [file] = &files[..] else {
        bail!("one template was asked for, but there are {}", files.len());
    };
    io::stdout()
        .write_all(file.contents.as_bytes())
        .context("the template cannot be printed")?;
    Ok(Outcome::Done)
}

impl Arguments {
    fn folder(&self) -> anyhow::Result<PathBuf> {
        if let Some(folder) = &self.output_dir {
            return Ok(folder.clone());
        }
        let root = workspace().context(
            "there is no folder of generated files here; --output-dir gives another one",
        )?;
        // As short as it can be said.
        Ok(if env::current_dir().is_ok_and(|here| here == root) {
            GENERATED.into()
        } else {
            root.join(GENERATED)
        })
    }
}

fn write(arguments: &Arguments, files: &[GeneratedFile]) -> anyhow::Result<Outcome> {
    let folder = &arguments.folder()?;
    let (mut changed, mut report) = (Vec::new(), Vec::new());
    for file in files {
        let verb = if file.compare(folder)? == Comparison::Same {
            "unchanged"
        } else {
            changed.push(file);
            "written  "
        };
        let path = folder.join(&file.path);
        writeln!(report, "{verb} {}", path.display())?;
    }
    generated::write(changed, folder)?;
    io::stdout().write_all(&report)?;
    Ok(Outcome::Done)
}

fn check(arguments: &Arguments, files: &[GeneratedFile]) -> anyhow::Result<Outcome> {
    let folder = arguments.folder()?;
    let mut output = io::stdout();
    let mut outcome = Outcome::Done;
    for file in files {
        match file.compare(&folder)? {
            Comparison::Same => continue,
            Comparison::Missing => {
                let path = folder.join(&file.path);
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
    match &arguments.output_dir {
        None => "cargo run -p infra-gen -- synth".to_owned(),
        Some(folder) => format!(
            "cargo run -p infra-gen -- synth --output-dir '{}'",
            folder.display()
        ),
    }
}
