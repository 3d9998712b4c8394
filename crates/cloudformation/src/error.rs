//! Why a template cannot be written.

/// A template, or a part of it, cannot be serialized.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// As YAML.
    #[error("the template cannot be written as YAML: {0}")]
    Yaml(#[from] serde_yaml::Error),
    /// As JSON.
    #[error("the template cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}
