#![doc = include_str!("../README.md")]

mod apply_change_set;
mod call_error;
mod capabilities;
mod change_set;
mod client;
mod deployed_stack;
mod empty_bucket;
mod events;
mod executable;
mod execute;
mod package;
mod status;
mod watch;

pub use apply_change_set::{apply_change_set, data_loss_changes, holds_data};
pub use call_error::{Attempt, CallError, CallErrorKind};
pub use capabilities::Capabilities;
pub use change_set::{
    ChangeSet, ChangeSetError, ChangeSetRequest, MAX_TEMPLATE_BODY_BYTES, PlannedAction,
    PlannedChange, PlannedDetail, TemplateSource,
};
pub use client::CloudFormation;
pub use deployed_stack::{
    DeployedResource, DeployedStack, DeployedTemplate, StackOutput, TemplateError,
};
pub use empty_bucket::empty_bucket;
pub use events::{Events, StackEvent, first_cause};
pub use executable::ExecutableError;
pub use package::{Package, PackageError};
pub use status::{Remediation, StackState, StackStatus};
pub use watch::{WatchResult, watch};
