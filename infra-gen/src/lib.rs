//! Builds the infrastructure from typed constructs and writes its template.
//!
//! | to change | look in |
//! | --- | --- |
//! | the resources of the system | [`stack`] |
//! | the differences between development and production | [`environments`] |
//! | the settings of a table, a queue, a function or an API | [`constructs`] |
//! | the properties of an AWS resource type, the rendering of a template | the crate [`cloudformation`] |
//! | checks beyond types and schemas | `check` |
//! | the comparison of two templates | the crate `cloudformation-diff` |
//! | the deployment of a stack, and its messages | `deploy` |
//! | AsyncAPI, OpenAPI, JSON Schema, TypeScript and the diagram | `documents` |
//! | the list of generated files | `generated` |
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
