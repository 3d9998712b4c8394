//! What people and programs read about the system: its messages and its parts.

mod asyncapi;
mod diagram;
mod input;
mod openapi;
mod schemas;
mod typescript;

pub use asyncapi::asyncapi;
pub use diagram::diagram;
pub use input::input;
pub use openapi::openapi;
pub use schemas::{MessageSchemas, Variant};
pub use typescript::typescript;

/// Why a document cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The schema of the messages is not a choice by `type`.
    #[error(
        "the schema of {name} is not a list of messages with a `type` each: {problem}; is it still \
         a serde enum with a tag?"
    )]
    NoVariants {
        /// The type.
        name: &'static str,
        /// What is missing.
        problem: &'static str,
    },
    /// A reply that there is no message for.
    #[error(
        "the message '{request}' is answered with '{reply}', which clients cannot be sent: see \
         replies() in infra-gen/src/documents/asyncapi.rs"
    )]
    NoSuchReply {
        /// The client's message.
        request: &'static str,
        /// The answer.
        reply: &'static str,
    },
    /// A schema that has no type in TypeScript yet.
    #[error(
        "the schema at {path} cannot be written as TypeScript: {schema}; teach \
         infra-gen/src/documents/typescript.rs about it"
    )]
    NoTypeScript {
        /// Where it is.
        path: String,
        /// What it is.
        schema: String,
    },
    /// The document cannot be written as YAML.
    #[error("the document cannot be written as YAML: {0}")]
    Yaml(#[from] serde_yaml::Error),
    /// The document cannot be written as JSON.
    #[error("the document cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}
