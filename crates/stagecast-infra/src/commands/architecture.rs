//! The options that choose the processor of the functions.

use crate::environments::{Architecture, Overrides};
use clap::Args;

/// The processor that the functions run on, if it is not the environment's.
#[derive(Clone, Debug, Args)]
pub(crate) struct ArchitectureOptions {
    /// Processor of the functions. Default: the deployed stack's, or else the environment's.
    #[arg(long, value_name = "arm64|x86_64")]
    architecture: Option<Architecture>,
    /// Run the functions on arm64 (Graviton).
    #[arg(long, conflicts_with_all = ["architecture", "x86_64"])]
    arm64: bool,
    /// Run the functions on Intel and AMD.
    #[arg(long = "x86-64", conflicts_with = "architecture")]
    x86_64: bool,
}

impl ArchitectureOptions {
    /// The processor that one of the three options names.
    pub(crate) fn chosen(&self) -> Option<Architecture> {
        match (self.arm64, self.x86_64) {
            (true, _) => Some(Architecture::Arm64),
            (_, true) => Some(Architecture::X86_64),
            _ => self.architecture,
        }
    }

    /// The difference from the environment.
    pub(crate) fn overrides(&self) -> Overrides {
        Overrides {
            architecture: self.chosen(),
            ..Overrides::default()
        }
    }
}

/// The option that chooses a processor.
#[cfg(feature = "deploy")]
pub(crate) fn architecture_flag(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::Arm64 => "--arm64",
        Architecture::X86_64 => "--x86-64",
    }
}

/// The processor that a deployed stack keeps: the one that its functions run on, unless an option
/// chooses one. `None` if that is the environment's.
#[cfg(feature = "deploy")]
pub(crate) fn kept_architecture(
    environment: &crate::environments::Environment,
    chosen: Option<Architecture>,
    deployed: Option<&crate::diff::TemplateDocument>,
) -> Option<Architecture> {
    let deployed = deployed?.function_architecture()?;
    let deployed = deployed.parse::<Architecture>().ok()?;
    (chosen.is_none() && deployed != environment.architecture).then_some(deployed)
}

/// The note for the user that a stack keeps its processor.
#[cfg(feature = "deploy")]
pub(crate) fn kept_architecture_note(kept: Architecture, environments: Architecture) -> String {
    format!(
        "the functions stay on {kept}, the processor that they are deployed on; {} changes that",
        architecture_flag(environments)
    )
}
