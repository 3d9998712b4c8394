//! `infra-gen package`.

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
};

use crate::{cargo_workspace::CargoWorkspace, project::Project};
use anyhow::Context;
use clap::Args;

use super::{
    code::CodeOptions, outcome::CommandOutcome, runtime::block_on, terminal::Terminal,
    workspace::workspace,
};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Environment that the packages are for.
    #[arg(long, value_name = "NAME", default_value = "dev")]
    environment: String,
    #[command(flatten)]
    code: CodeOptions,
    /// Folder that the packages are written to. Default: packages/ in Cargo's target directory.
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
}

pub(crate) fn run(project: Project, arguments: &Arguments) -> anyhow::Result<CommandOutcome> {
    let mut terminal = Terminal::new();
    let environment = project.environment(&arguments.environment)?;
    let environment = environment.with(&arguments.code.overrides());
    let source = arguments.code.source();
    let packages = block_on(source.packages(project, &mut terminal, environment.architecture))?;
    let folder = match &arguments.output_dir {
        Some(folder) => folder.clone(),
        None => CargoWorkspace::read(&workspace()?)?
            .target_directory()
            .join("packages"),
    };
    for package in packages {
        let path = folder.join(package.key());
        let parent = path.parent().unwrap_or(&folder);
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, &package.bytes))
            .with_context(|| format!("cannot write '{}'", path.display()))?;
        writeln!(io::stdout(), "{}", path.display())?;
    }
    Ok(CommandOutcome::Done)
}
