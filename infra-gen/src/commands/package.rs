//! `infra-gen package`, and what `deploy` shares with it.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args;
use contract::functions;
use infra_gen::{
    deploy::{self, Package},
    environments::{Architecture, Environment, Overrides},
};

use super::{
    Processor, known_environment, processor_option,
    target::{block_on, option},
    terminal::Terminal,
    workspace,
};
use crate::Outcome;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The environment that the packages are for.
    #[arg(long, value_name = "NAME", default_value = "dev", value_parser = known_environment)]
    environment: String,
    #[command(flatten)]
    code: Code,
    /// The folder that the packages are written to; packages/ beside what Cargo builds unless told
    /// otherwise.
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
}

/// What the functions are made from.
#[derive(Clone, Debug, Args)]
pub(crate) struct Code {
    /// Package the executables in this folder instead of building them: websocket, or
    /// websocket/bootstrap, and so on.
    #[arg(long, value_name = "DIR")]
    binaries: Option<PathBuf>,
    #[command(flatten)]
    processor: Processor,
}

impl Code {
    /// What is different, this once, from what the environment says.
    pub(crate) fn overrides(&self) -> Overrides {
        self.processor.overrides()
    }

    /// What has to be given again to package the same.
    pub(crate) fn repeat(&self) -> String {
        let architecture = self.overrides().architecture;
        let architecture = architecture.map_or_else(String::new, |architecture| {
            format!(" {}", processor_option(architecture))
        });
        let binaries = self.binaries.as_deref().map(Path::to_string_lossy);
        architecture + &option("binaries", binaries.as_deref())
    }

    /// Builds the functions, unless they are built already, and packages them.
    pub(crate) async fn packages(
        &self,
        terminal: &mut Terminal,
        architecture: Architecture,
    ) -> anyhow::Result<Vec<Package>> {
        let names: Vec<_> = functions::ALL.iter().map(|spec| spec.name).collect();
        let folder = if let Some(folder) = &self.binaries {
            folder.clone()
        } else {
            terminal.line(format!(
                "  building {} for {architecture}",
                names.join(", ")
            ));
            deploy::build(&names, architecture, &workspace()?).await?
        };
        terminal.start("packaging the functions");
        let packages = Package::all(&names, &folder, architecture)?;
        terminal.finish();
        for package in &packages {
            if let Some(version) = &package.too_new_glibc {
                terminal.warn(format!(
                    "{} asks for glibc {version}, and Lambda has 2.34: it would not start there. \
                     `cargo lambda build` links against an older one",
                    package.function
                ));
            }
        }
        Ok(packages)
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let mut terminal = Terminal::new();
    let environment = Environment::by_name(&arguments.environment)?;
    let environment = environment.with(&arguments.code.overrides());
    let packages = arguments
        .code
        .packages(&mut terminal, environment.architecture);
    let packages = block_on(packages)?;
    let folder = match &arguments.output_dir {
        Some(folder) => folder.clone(),
        None => deploy::target_directory(&workspace()?)?.join("packages"),
    };
    for package in packages {
        let path = folder.join(package.key());
        let parent = path.parent().unwrap_or(&folder);
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, &package.bytes))
            .with_context(|| format!("'{}' cannot be written", path.display()))?;
        writeln!(io::stdout(), "{}", path.display())?;
    }
    Ok(Outcome::Done)
}

/// A size in bytes, as people read it.
pub(crate) fn size(bytes: usize) -> String {
    let tenths = bytes * 10 / (1024 * 1024);
    format!("{}.{} MB", tenths / 10, tenths % 10)
}
