//! The infrastructure of a product on Stagecast: its template, its documents, and the command line that
//! checks, compares and deploys them.
//!
//! A product's `infra-gen` is a [`Project`], given to [`main`].
//!
//! | to change | look in |
//! | --- | --- |
//! | what a product declares and adds | [`project`] |
//! | the resources of the job system | [`stack`] |
//! | the differences between development and production | [`environments`] |
//! | the options of the APIs and the bucket, the values of settings, tags | [`construct_options`] |
//! | what a table, a queue, a function or an API consists of | the crate [`constructs`] |
//! | the properties of an AWS resource type, the rendering of a template | the crate [`cloudformation`] |
//! | checks beyond types and schemas | `check` |
//! | the comparison of two templates | the crate `cloudformation-diff` |
//! | the deployment of a stack, and its messages | `deploy` |
//! | AsyncAPI, OpenAPI, JSON Schema, TypeScript and the diagram | `documents` |
//! | the list of generated files | `generated` |
//! | the workspace that `infra-gen new` writes | `new` |

#[cfg(feature = "cli")]
pub mod cargo_workspace;
#[cfg(feature = "cli")]
pub mod check;
#[cfg(feature = "cli")]
mod command_line;
#[cfg(feature = "cli")]
mod commands;
pub mod construct_options;
#[cfg(feature = "deploy")]
pub mod deploy;
#[cfg(feature = "cli")]
pub mod documents;
pub mod environments;
#[cfg(feature = "cli")]
pub mod generated;
pub mod needed_secrets;
#[cfg(feature = "cli")]
mod new;
pub mod project;
mod route_bodies;
pub mod stack;
#[cfg(test)]
mod test_product;

#[cfg(feature = "cli")]
pub use command_line::main;
pub use constructs;
pub use project::Project;
pub use route_bodies::RouteBodies;

pub use cloudformation::{self as template, resources};
#[cfg(feature = "cli")]
pub use cloudformation_diff as diff;
