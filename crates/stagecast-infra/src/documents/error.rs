//! Why a document cannot be generated.

/// Why a document cannot be generated.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The schema of the messages is not a list of alternatives with a `type` each.
    #[error(
        "the schema of {name} is not a list of messages with a `type` each: {problem}\n  help: derive \
         it from a serde enum with a tag"
    )]
    NoVariants {
        /// The name of the type.
        name: &'static str,
        /// The part that is missing.
        problem: &'static str,
    },
    /// The generator does not support the schema.
    #[error(
        "cannot write the schema at {path} as TypeScript: {schema}\n  help: support it in \
         crates/stagecast-infra/src/documents/typescript.rs"
    )]
    NoTypeScript {
        /// The path of the schema in the document.
        path: String,
        /// The schema as JSON.
        schema: String,
    },
    /// A body is described of a route that the product does not have.
    #[error(
        "the project describes a body of the route `{route}`, which the product does not have\n  help: \
         add the route to the product's http_routes, or remove it from Project::with_bodies"
    )]
    UnknownRoute {
        /// The key of the route.
        route: String,
    },
    /// The document cannot be serialized as YAML.
    #[error("cannot write the document as YAML: {0}")]
    Yaml(#[from] serde_yaml::Error),
    /// The document cannot be serialized as JSON.
    #[error("cannot write the document as JSON: {0}")]
    Json(#[from] serde_json::Error),
}
