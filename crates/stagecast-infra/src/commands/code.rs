//! The functions' packages: built, or made from executables that exist.

use std::path::{Path, PathBuf};

use crate::{
    deploy::{self, Package},
    environments::{Architecture, Overrides},
    project::Project,
};
use clap::Args;

use super::{
    architecture::{ArchitectureOptions, architecture_flag},
    stack_options::shell_option,
    terminal::Terminal,
    workspace::workspace,
};

/// The options that say what the packages are made from.
#[derive(Clone, Debug, Args)]
pub(crate) struct CodeOptions {
    /// Package the executables in this folder instead of building them: websocket, or
    /// websocket/bootstrap, and so on.
    #[arg(long, value_name = "DIR")]
    binaries: Option<PathBuf>,
    #[command(flatten)]
    architecture: ArchitectureOptions,
}

/// What the packages are made from.
#[derive(Clone, Debug)]
pub(crate) enum CodeSource {
    /// `cargo lambda build` in the workspace.
    Build,
    /// The executables in this folder.
    Binaries(PathBuf),
}

impl CodeOptions {
    /// The difference from the environment.
    pub(crate) fn overrides(&self) -> Overrides {
        self.architecture.overrides()
    }

    pub(crate) fn source(&self) -> CodeSource {
        self.binaries
            .clone()
            .map_or(CodeSource::Build, CodeSource::Binaries)
    }

    /// These options for a shell, each with a space before it.
    pub(crate) fn to_shell(&self) -> String {
        let architecture = self.architecture.chosen();
        let architecture = architecture.map_or_else(String::new, |architecture| {
            format!(" {}", architecture_flag(architecture))
        });
        let binaries = self.binaries.as_deref().map(Path::to_string_lossy);
        architecture + &shell_option("binaries", binaries.as_deref())
    }
}

impl CodeSource {
    /// Builds the functions if necessary, and packages them.
    pub(crate) async fn packages(
        &self,
        project: Project,
        terminal: &mut Terminal,
        architecture: Architecture,
    ) -> anyhow::Result<Vec<Package>> {
        let functions = project.product.all_functions();
        let names: Vec<_> = functions.iter().map(|spec| spec.name).collect();
        let folder = match self {
            Self::Binaries(folder) => folder.clone(),
            Self::Build => {
                terminal.line(format!(
                    "  building {} for {architecture}",
                    names.join(", ")
                ));
                deploy::build(&names, architecture, &workspace()?).await?
            }
        };
        terminal.start("packaging the functions");
        let packages = Package::all(&names, &folder, architecture)?;
        terminal.finish();
        for package in &packages {
            if let Some(version) = &package.too_new_glibc {
                terminal.warn(format!(
                    "{} needs glibc {version}, and Lambda has 2.34: Lambda would not start it\n  \
                     help: build with `cargo lambda build`, which links against an older glibc",
                    package.function
                ));
            }
        }
        Ok(packages)
    }
}

/// Formats a size in bytes as megabytes with one digit.
pub(crate) fn format_size(bytes: usize) -> String {
    let tenths = bytes * 10 / (1024 * 1024);
    format!("{}.{} MB", tenths / 10, tenths % 10)
}
