//! The verbs of the command line.

pub(crate) mod check;
#[cfg(feature = "deploy")]
pub(crate) mod deploy;
#[cfg(feature = "deploy")]
pub(crate) mod destroy;
pub(crate) mod diff;
#[cfg(feature = "deploy")]
mod operation;
#[cfg(feature = "deploy")]
pub(crate) mod outputs;
#[cfg(feature = "deploy")]
mod ownership;
#[cfg(feature = "deploy")]
pub(crate) mod package;
pub(crate) mod synth;
#[cfg(feature = "deploy")]
mod target;
#[cfg(feature = "deploy")]
mod terminal;

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::Args;
use infra_gen::environments::{Architecture, Environment, EnvironmentError, Overrides};

/// The folder of the generated files, seen from the workspace's root.
const GENERATED: &str = "generated";

/// The root of the workspace that the current folder is in.
fn workspace() -> anyhow::Result<PathBuf> {
    let here = env::current_dir().context("the current folder cannot be found")?;
    let is_root = |folder: &&Path| {
        let members = ["infra-gen", "contract"];
        let mut members = members.iter();
        members.all(|member| folder.join(member).join("Cargo.toml").is_file())
    };
    match here.ancestors().find(is_root) {
        Some(root) => Ok(root.to_owned()),
        None => bail!(
            "'{}' is not in the workspace of Stagecast: no folder above it has infra-gen and contract\n  \
             what to do: change to the workspace first",
            here.display()
        ),
    }
}

/// What the functions run on, if not what the environment says.
#[derive(Clone, Debug, Args)]
struct Processor {
    /// What the functions run on. Without it, and without --arm64 or --x86-64: what they are deployed
    /// on, or else what the environment says.
    #[arg(long, value_name = "arm64|x86_64")]
    architecture: Option<Architecture>,
    /// Functions that run on Graviton.
    #[arg(long, conflicts_with_all = ["architecture", "x86_64"])]
    arm64: bool,
    /// Functions that run on Intel and AMD.
    #[arg(long = "x86-64", conflicts_with = "architecture")]
    x86_64: bool,
}

impl Processor {
    /// What is different, this once, from what the environment says.
    fn overrides(&self) -> Overrides {
        let architecture = match (self.arm64, self.x86_64) {
            (true, _) => Some(Architecture::Arm64),
            (_, true) => Some(Architecture::X86_64),
            _ => self.architecture,
        };
        Overrides {
            architecture,
            ..Overrides::default()
        }
    }
}

/// The option that chooses a processor.
#[cfg(feature = "deploy")]
fn processor_option(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::Arm64 => "--arm64",
        Architecture::X86_64 => "--x86-64",
    }
}

/// Reads the name of an environment that there is.
fn known_environment(name: &str) -> Result<String, EnvironmentError> {
    Environment::by_name(name).map(|environment| environment.name.to_owned())
}
