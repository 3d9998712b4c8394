//! The settings of a stack, and the values that constructs take.
//!
//! The types validate their values, so that CloudFormation does not refuse them minutes into a
//! deployment.

mod authorizers;
mod domain;
mod error;
mod limits;
mod name_suffix;
mod origin;
mod stack_settings;
mod topic;

pub use authorizers::{ConnectAuthorizer, JwtAuthorizer};
pub use cloudformation::resources::{
    Tags,
    lambda::{Architecture, LogLevel},
    logs::RetentionDays,
};
pub use domain::{CertificateId, CustomDomain, DomainName};
pub use error::SettingError;
pub use limits::{QueueConcurrency, Throttling};
pub use name_suffix::NameSuffix;
pub use origin::Origin;
pub use stack_settings::{DataPolicy, StackSettings, TableKey};
pub use topic::TopicArn;
