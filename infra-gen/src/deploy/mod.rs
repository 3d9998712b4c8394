//! Deploys the template: packages, change sets, events.
//!
//! | to change | look in |
//! | --- | --- |
//! | the build of the functions | `build` |
//! | the packages | `package`, `executable` |
//! | region, credentials and clients | `session`, `credentials`, `connect_retry` |
//! | the bucket for packages | `artifact_bucket` |
//! | the values of parameters | `parameters` |
//! | the changes of resources | `change_set`, `execute`, `capabilities` |
//! | the explanation of changes | `apply_change_set` |
//! | the events of an operation | `events`, `watch` |
//! | errors and advice | `call_error`, `status`, `advice` |
//! | the names of stacks | `stack_name` |
//! | the account's logging role for API Gateway | [`logging_role`] |
//! | the owner of a table or queue | `owner` |
//! | the deletion of objects before their bucket | `empty_bucket` |
//!
//! The SDK's types are not part of the interface: each file converts those that it uses.

mod advice;
mod apply_change_set;
mod artifact_bucket;
mod build;
mod call_error;
mod capabilities;
mod change_set;
mod connect_retry;
mod credentials;
mod deployed_stack;
mod empty_bucket;
mod events;
mod executable;
mod execute;
pub mod logging_role;
mod owner;
mod package;
mod parameters;
mod session;
mod stack_name;
mod status;
mod watch;

pub use advice::advice_for;
pub use apply_change_set::{apply_change_set, data_loss_changes, holds_data};
pub use artifact_bucket::{ArtifactBucket, ArtifactError, BucketStatus, Upload};
pub use build::{BuildError, build, target_directory};
pub use call_error::{CallError, CallErrorKind};
pub use capabilities::Capabilities;
pub use change_set::{
    ChangeSet, ChangeSetError, ChangeSetRequest, MAX_TEMPLATE_BODY_BYTES, PlannedAction,
    PlannedChange, PlannedDetail, TemplateSource,
};
pub use deployed_stack::{
    DeployedResource, DeployedStack, DeployedTemplate, StackOutput, TemplateError,
};
pub use empty_bucket::empty_bucket;
pub use events::{Events, StackEvent, first_cause};
pub use executable::ExecutableError;
pub use owner::Owner;
pub use package::{Package, PackageError};
pub use parameters::{
    ParameterError, ParameterSources, ParameterValues, deployed_package_parameters,
    package_parameters, resolve_parameters,
};
pub use session::{AwsSession, Caller, SessionError, SessionOptions};
pub use stack_name::{InvalidStackName, StackName};
pub use status::{Remediation, StackState, StackStatus};
pub use watch::{WatchResult, watch};
