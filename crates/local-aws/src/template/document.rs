//! The sections of a template, before evaluation.

use std::collections::BTreeMap;

use serde_json::Value;

/// The sections of a template that the stack reads.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Document {
    #[serde(default)]
    pub(super) parameters: BTreeMap<String, Parameter>,
    #[serde(default)]
    pub(super) mappings: Value,
    #[serde(default)]
    pub(super) conditions: BTreeMap<String, Value>,
    pub(super) resources: BTreeMap<String, Resource>,
    #[serde(default)]
    pub(super) outputs: BTreeMap<String, Output>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Parameter {
    #[serde(default)]
    pub(super) default: Option<Value>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Resource {
    pub(super) r#type: String,
    #[serde(default)]
    pub(super) condition: Option<String>,
    #[serde(default)]
    pub(super) properties: Value,
    #[serde(default)]
    pub(super) metadata: Value,
}

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    pub(super) value: Value,
    #[serde(default)]
    pub(super) condition: Option<String>,
}
