//! Why a command that works on a stack failed.
//!
//! The errors hold facts only. [`super::hints::Hints`] turns them into messages with the next step,
//! which depends on the command's options.

use crate::{
    deploy::{CallError, DeployedStack, Owner, Remediation, WatchResult},
    diff::ChosenName,
};

/// Why a command that works on a stack failed.
#[derive(Debug)]
pub(crate) enum StackError {
    /// CloudFormation works on the stack, but its events cannot be read.
    WatchFailed { stack: String, cause: CallError },
    /// CloudFormation finished, with a status that is not success.
    OperationFailed {
        stack: String,
        result: WatchResult,
        /// The construct of the resource that failed first, if the template has it.
        construct: Option<String>,
    },
    /// The stack's status does not allow an update.
    NotUpdatable {
        stack: Box<DeployedStack>,
        remediation: Option<Remediation>,
        /// Tables whose deletion protection kept them when the stack was rolled back.
        protected_tables: Vec<String>,
    },
    /// Resources in the account have names that the stack needs.
    NamesTaken {
        stack: String,
        environment: &'static str,
        names: Vec<(ChosenName, Owner)>,
    },
    /// An error whose message is complete.
    Other(anyhow::Error),
}

/// For `?`. This type is no `std::error::Error` itself, so that it is never printed without its hints.
impl<E: Into<anyhow::Error>> From<E> for StackError {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}
