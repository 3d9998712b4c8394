//! The environments that the stack is deployed for, as values.
//!
//! To add one, write a function like [`Environment::prod`], with a name suffix, and list it in
//! `environment::KNOWN`; `synth` then writes its templates as well. The types validate their values, so
//! that CloudFormation does not refuse them minutes into a deployment.

mod authorizers;
mod domain;
mod environment;
mod error;
mod name_suffix;
mod origin;
mod overrides;
mod runtime;
mod topic;

pub use authorizers::{ConnectAuthorizer, JwtAuthorizer};
pub use cloudformation::resources::{
    lambda::{Architecture, LogLevel},
    logs::RetentionDays,
};
pub use domain::{CertificateId, CustomDomain, DomainName};
pub use environment::{DataPolicy, Environment, TableKey};
pub use error::EnvironmentError;
pub use name_suffix::NameSuffix;
pub use origin::Origin;
pub use overrides::Overrides;
pub use runtime::{QueueConcurrency, Throttling};
pub use topic::TopicArn;
