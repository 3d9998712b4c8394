//! Deploys the template: what is Stagecast's own beside the crate `cloudformation-deploy`.
//!
//! | to change | look in |
//! | --- | --- |
//! | packages, change sets, events, statuses | the crate [`cloudformation_deploy`] |
//! | the build of the functions | `build` |
//! | region, credentials and clients | `session`, `credentials`, `connect_retry` |
//! | the bucket for packages | `artifact_bucket` |
//! | the bucket of the hosted page | `page_bucket` |
//! | the values of parameters | `parameters` |
//! | the names of stacks | `stack_name` |
//! | the account's logging role for API Gateway | [`logging_role`] |
//! | the owner of a table or queue | `owner` |
//!
//! The SDK's types are not part of the interface: each file converts those that it uses.

mod artifact_bucket;
mod build;
mod connect_retry;
mod credentials;
pub mod logging_role;
mod owner;
mod page_bucket;
mod parameters;
mod session;
mod stack_name;
mod worker_tokens;

pub use artifact_bucket::{ArtifactBucket, ArtifactError, BucketStatus, Upload};
pub use build::{BuildError, build};
pub use cloudformation_deploy::{
    CallError, CallErrorKind, Capabilities, ChangeSet, ChangeSetError, ChangeSetRequest,
    CloudFormation, DeployedResource, DeployedStack, DeployedTemplate, Events,
    MAX_TEMPLATE_BODY_BYTES, Package, Remediation, StackEvent, StackOutput, StackState,
    StackStatus, TemplateSource, WatchResult, apply_change_set, data_loss_changes, empty_bucket,
    first_cause, holds_data, watch,
};
pub use owner::Owner;
pub use page_bucket::WebObject;
pub use parameters::{
    ParameterError, ParameterSources, ParameterValues, deployed_package_parameters,
    package_parameters, resolve_parameters,
};
pub use session::{AwsSession, Caller, SessionError, SessionOptions};
pub use stack_name::{InvalidStackName, StackName};
pub use worker_tokens::{TokenError, WorkerTokens};

/// The prefix of the names of change sets.
pub const NAME_PREFIX: &str = "stagecast";
