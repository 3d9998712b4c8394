//! The parts of an OpenAPI document that are used here.
//! <https://spec.openapis.org/oas/v3.1.1.html>

use std::{borrow::Cow, collections::BTreeMap};

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::{Map, Value, json};

#[derive(Serialize)]
pub(super) struct Document {
    pub(super) openapi: &'static str,
    pub(super) info: Info,
    pub(super) servers: Vec<Server>,
    pub(super) tags: Vec<Tag>,
    pub(super) paths: IndexMap<String, IndexMap<String, RouteOperation>>,
    pub(super) components: Components,
}

#[derive(Serialize)]
pub(super) struct Info {
    pub(super) title: &'static str,
    pub(super) version: &'static str,
    pub(super) description: &'static str,
    pub(super) license: License,
}

#[derive(Serialize)]
pub(super) struct License {
    pub(super) name: &'static str,
    pub(super) identifier: &'static str,
}

#[derive(Serialize)]
pub(super) struct Server {
    pub(super) url: &'static str,
    pub(super) description: &'static str,
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub(super) variables: IndexMap<&'static str, Variable>,
}

#[derive(Serialize)]
pub(super) struct Variable {
    pub(super) default: &'static str,
    pub(super) description: &'static str,
}

#[derive(Serialize)]
pub(super) struct Tag {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RouteOperation {
    #[serde(rename = "operationId")]
    pub(super) id: String,
    pub(super) summary: &'static str,
    pub(super) description: Cow<'static, str>,
    pub(super) tags: [&'static str; 1],
    pub(super) security: Vec<IndexMap<&'static str, [&'static str; 0]>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) parameters: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_body: Option<Body>,
    pub(super) responses: BTreeMap<String, Response>,
}

#[derive(Serialize)]
pub(super) struct Body {
    pub(super) required: bool,
    pub(super) content: IndexMap<&'static str, Value>,
}

#[derive(Serialize)]
pub(super) struct Response {
    pub(super) description: String,
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub(super) headers: IndexMap<&'static str, Value>,
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub(super) content: IndexMap<&'static str, Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Components {
    pub(super) security_schemes: Value,
    pub(super) parameters: Value,
    pub(super) headers: Value,
    pub(super) schemas: Map<String, Value>,
}

impl Response {
    /// Adds an alternative answer with the same status.
    pub(super) fn or(&mut self, other: Self) {
        self.description = format!("{}\n- {}", self.description, other.description);
        for (media_type, content) in other.content {
            let known = self.content.entry(media_type).or_insert(Value::Null);
            *known = json!({ "schema": { "anyOf": [known["schema"], content["schema"]] } });
        }
    }
}
