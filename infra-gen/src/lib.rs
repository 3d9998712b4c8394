//! Builds the infrastructure from typed constructs and writes its template.
//!
//! | to change | look in |
//! | --- | --- |
//! | what the system is made of | [`stack`] |
//! | what differs between development and production | [`environments`] |
//! | how a table, a queue, a function or an API is set up | [`constructs`] |
//! | resource types of AWS, and how a template is written | the crate [`cloudformation`] |
//! | what is checked beyond types and schemas | `check` |
//! | the comparison of templates | the crate `cloudformation-diff` |
//! | how the stack is deployed, and what is told meanwhile | `deploy` |
//! | AsyncAPI, JSON Schema, TypeScript and the picture | `documents` |
//! | which files are generated | `generated` |
//!
//! ```
//! use infra_gen::{environments::Environment, stack, template::Format};
//!
//! let template = stack::synthesize(&Environment::dev())?;
//! let json = template.to_json(Format::CloudFormation)?;
//! assert_eq!(json["Resources"]["JobsTable"]["Type"], "AWS::DynamoDB::Table");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "cli")]
pub mod check;
pub mod constructs;
#[cfg(feature = "deploy")]
pub mod deploy;
#[cfg(feature = "cli")]
pub mod documents;
pub mod environments;
#[cfg(feature = "cli")]
pub mod generated;
pub mod stack;

pub use cloudformation::{self as template, resources};
#[cfg(feature = "cli")]
pub use cloudformation_diff as diff;
