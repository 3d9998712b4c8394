//! Deploying the template, and what goes with it.
//!
//! | to change | look in |
//! | --- | --- |
//! | how functions are built | `build` |
//! | what Lambda gets | `package`, `executable` |
//! | who deploys, and where | `session`, `credentials`, `first_contact` |
//! | where packages are uploaded to | `artifacts` |
//! | what parameters are worth | `parameters` |
//! | how resources change | `change_set`, `execute`, `capabilities` |
//! | how that is explained | `plan` |
//! | what is told meanwhile | `events`, `watch` |
//! | what is said of a failure | `call`, `status`, `advice` |
//! | what stacks of this project are called | `name` |
//! | the account's role for API Gateway's logs | [`logging_role`] |
//! | who owns what has a name already | `owners` |
//! | what has to go before a stack can | `objects` |
//!
//! Types of the SDK do not leave the file that calls it.

pub mod advice;
mod artifacts;
mod build;
mod call;
mod capabilities;
mod change_set;
mod credentials;
mod events;
mod executable;
mod execute;
mod first_contact;
pub mod logging_role;
mod name;
mod objects;
mod owners;
mod package;
mod parameters;
mod plan;
mod session;
mod stack;
mod status;
mod watch;

pub use artifacts::{ArtifactBucket, ArtifactError, Presence, Upload};
pub use build::{BuildError, build, target_directory};
pub use call::{CallError, CallErrorKind};
pub use capabilities::Capabilities;
pub use change_set::{
    Action, ChangeSet, ChangeSetError, ChangeSetRequest, Detail, LARGEST_BODY, PlannedChange,
    TemplateSource,
};
pub use events::{Events, StackEvent, first_cause};
pub use executable::ExecutableError;
pub use name::{InvalidStackName, StackName};
pub use objects::empty;
pub use owners::Owner;
pub use package::{Package, PackageError};
pub use parameters::{ParameterError, Sources, Values, of_packages, of_unknown_packages, values};
pub use plan::{data_loss_changes, explain, holds_data};
pub use session::{Caller, Place, Session, SessionError};
pub use stack::{DeployedResource, DeployedStack, DeployedTemplate, StackOutput, TemplateError};
pub use status::{Naming, StackState, StackStatus};
pub use watch::{Ending, watch};
