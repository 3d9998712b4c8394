//! `infra-gen synth`.

use std::{
    env,
    io::{self, Write},
    path::PathBuf,
};

use crate::{
    environments::{Architecture, NameSuffix, Origin, Overrides, RetentionDays},
    generated::{self, Comparison, GeneratedFile, Selection},
    project::Project,
    template::Format,
};
use anyhow::{Context, bail};
use clap::{ArgGroup, Args};

use super::{
    outcome::CommandOutcome,
    workspace::{GENERATED, workspace},
};

// Overrides must not change the files in generated/, which CI compares with the environments.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("elsewhere").args(["output_dir", "stdout"]).multiple(true))]
pub(crate) struct Arguments {
    /// Compare instead of writing: print the difference, and exit with 1 if there is one.
    #[arg(long, conflicts_with = "stdout")]
    check: bool,
    /// Write templates in this format only: sam or cloudformation.
    #[arg(long)]
    format: Option<Format>,
    /// Write templates of this environment only.
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    /// Print one template instead of writing files. Default: dev, in the format sam.
    #[arg(long)]
    stdout: bool,
    /// Folder of the generated files. Default: generated/ in the root of the workspace.
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// Origin that browsers may send requests from, instead of the environment's; may be repeated.
    #[arg(long, value_name = "ORIGIN", value_parser = Origin::new, requires = "elsewhere")]
    allowed_origin: Vec<Origin>,
    /// Retention of logs in days, instead of the environment's.
    #[arg(long, value_name = "DAYS", requires = "elsewhere")]
    log_retention: Option<RetentionDays>,
    /// Suffix of the names of tables and queues, instead of the environment's.
    #[arg(long, value_name = "SUFFIX", value_parser = NameSuffix::new, requires = "elsewhere", allow_hyphen_values = true)]
    name_suffix: Option<NameSuffix>,
    /// Processor of the functions, instead of the environment's.
    #[arg(long, value_name = "arm64|x86_64", requires = "elsewhere")]
    architecture: Option<Architecture>,
    /// Host the progress page with S3 and CloudFront, whatever the environment says.
    #[arg(long, requires = "elsewhere")]
    page: bool,
}

pub(crate) fn run(project: Project, arguments: &Arguments) -> anyhow::Result<CommandOutcome> {
    let selection = Selection {
        environment: arguments.environment.clone(),
        format: arguments.format,
        overrides: Overrides {
            allowed_origins: arguments.allowed_origin.clone(),
            log_retention: arguments.log_retention,
            name_suffix: arguments.name_suffix.clone(),
            architecture: arguments.architecture,
            page: arguments.page.then_some(true),
        },
    };
    if arguments.stdout {
        return print_one(project, selection);
    }
    let files = if selection == Selection::default() {
        generated::files(project)?
    } else {
        generated::templates(project, &selection)?
    };
    if arguments.check {
        check(arguments, &files)
    } else {
        write(arguments, &files)
    }
}

fn print_one(project: Project, selection: Selection) -> anyhow::Result<CommandOutcome> {
    let files = generated::templates(
        project,
        &Selection {
            environment: selection.environment.or_else(|| Some("dev".to_owned())),
            format: selection.format.or(Some(Format::Sam)),
            overrides: selection.overrides,
        },
    )?;
    let [file] = &files[..] else {
        bail!(
            "--stdout prints one template, but {} are selected",
            files.len()
        );
    };
    io::stdout()
        .write_all(file.contents.as_bytes())
        .context("cannot print the template")?;
    Ok(CommandOutcome::Done)
}

impl Arguments {
    fn folder(&self) -> anyhow::Result<PathBuf> {
        if let Some(folder) = &self.output_dir {
            return Ok(folder.clone());
        }
        let root = workspace().context(
            "cannot find the folder of the generated files; --output-dir names another one",
        )?;
        // A relative path is shorter in messages.
        Ok(if env::current_dir().is_ok_and(|here| here == root) {
            GENERATED.into()
        } else {
            root.join(GENERATED)
        })
    }
}

fn write(arguments: &Arguments, files: &[GeneratedFile]) -> anyhow::Result<CommandOutcome> {
    let folder = &arguments.folder()?;
    let (mut changed, mut lines) = (Vec::new(), Vec::new());
    for file in files {
        let verb = if file.compare(folder)? == Comparison::Same {
            "unchanged"
        } else {
            changed.push(file);
            "written  "
        };
        let path = folder.join(&file.path);
        writeln!(lines, "{verb} {}", path.display())?;
    }
    generated::write(changed, folder)?;
    io::stdout().write_all(&lines)?;
    Ok(CommandOutcome::Done)
}

fn check(arguments: &Arguments, files: &[GeneratedFile]) -> anyhow::Result<CommandOutcome> {
    let folder = arguments.folder()?;
    let mut output = io::stdout();
    let mut outcome = CommandOutcome::Done;
    for file in files {
        match file.compare(&folder)? {
            Comparison::Same => continue,
            Comparison::Missing => {
                let path = folder.join(&file.path);
                writeln!(output, "{} is missing", path.display())?;
            }
            Comparison::Different(diff) => write!(output, "{diff}")?,
        }
        outcome = CommandOutcome::Differs;
    }
    if outcome == CommandOutcome::Differs {
        writeln!(
            output,
            "\nThe generated files are out of date. To update them, run:\n\n    {}",
            update_command(arguments)
        )?;
    }
    Ok(outcome)
}

fn update_command(arguments: &Arguments) -> String {
    match &arguments.output_dir {
        None => "cargo run -p infra-gen -- synth".to_owned(),
        Some(folder) => format!(
            "cargo run -p infra-gen -- synth --output-dir '{}'",
            folder.display()
        ),
    }
}
