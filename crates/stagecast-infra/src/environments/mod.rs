//! The environments that the stack is deployed for, as values.
//!
//! To add one, return it from the function that [`Project::new`](crate::project::Project::new) takes, with a
//! name suffix; `synth` then writes its templates as well. The types validate their values, so
//! that CloudFormation does not refuse them minutes into a deployment.

mod environment;
mod error;
mod overrides;
mod tokens;
mod webhooks;

pub use constructs::settings::{
    Architecture, CertificateId, ConnectAuthorizer, CustomDomain, DataPolicy, DomainName,
    JwtAuthorizer, LogLevel, NameSuffix, Origin, QueueConcurrency, RetentionDays, SettingError,
    TableKey, Throttling, TopicArn,
};
pub use environment::Environment;
pub use error::EnvironmentError;
pub use overrides::Overrides;
pub use stagecast_contract::{
    retention::JobRetention,
    webhooks::{InvalidWebhookUrl, WebhookEndpoint, WebhookEvent},
    worker_queues::OwnerLimit,
};
pub use tokens::{InvalidTokens, JobCreation, OwnerTokens};
pub use webhooks::{InvalidWebhookHost, WebhookHosts, Webhooks};
