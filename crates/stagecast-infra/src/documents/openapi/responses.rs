//! The bodies of requests and answers, and the errors of a route.

use std::collections::{BTreeMap, btree_map::Entry};

use indexmap::IndexMap;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};
use stagecast_contract::{
    http::{ErrorBody, HttpErrorCode},
    routes::HttpRoute,
};

use super::model::{Body, Response};

pub(super) const JSON: &str = "application/json";

/// The errors of a route by status, including those of API Gateway.
pub(super) fn errors(route: HttpRoute, schemas: &mut SchemaGenerator) -> BTreeMap<u16, Response> {
    let mut codes: BTreeMap<u16, Vec<HttpErrorCode>> = BTreeMap::new();
    for code in route.errors() {
        codes.entry(route.status_of(*code)).or_default().push(*code);
    }
    let mut errors: BTreeMap<u16, Response> = codes
        .into_iter()
        .map(|(status, codes)| {
            let names: Vec<Value> = codes.iter().map(|code| json!(code)).collect();
            let lines: Vec<String> = codes
                .iter()
                .zip(&names)
                .map(|(code, name)| {
                    let name = name.as_str().unwrap_or_default();
                    format!("- `{name}`: {}", code.description())
                })
                .collect();
            let body = schemas.subschema_for::<ErrorBody>();
            let schema = json!({
                "allOf": [
                    body,
                    { "properties": { "error": { "properties": { "code": { "enum": names } } } } },
                ],
            });
            (status, json_answer(lines.join("\n"), schema))
        })
        .collect();
    for (status, response) in gateway_errors() {
        match errors.entry(status) {
            Entry::Vacant(entry) => {
                entry.insert(response);
            }
            Entry::Occupied(mut entry) => entry.get_mut().or(response),
        }
    }
    errors
}

/// The errors of API Gateway that every route can have, by status.
pub(super) fn gateway_errors() -> impl Iterator<Item = (u16, Response)> {
    let errors = [
        (429, "Too many requests: the answer of API Gateway."),
        (503, "Overloaded or timed out: the answer of API Gateway."),
    ];
    errors
        .into_iter()
        .map(|(status, description)| (status, gateway_answer(description)))
}

/// An answer of API Gateway itself.
pub(super) fn gateway_answer(description: &str) -> Response {
    let schema = json!({ "type": "object", "properties": { "message": { "type": "string" } } });
    Response {
        headers: IndexMap::new(),
        ..json_answer(description, schema)
    }
}

fn schema_of<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Value {
    schemas.subschema_for::<T>().to_value()
}

pub(super) fn json_body<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Body {
    Body {
        required: true,
        content: IndexMap::from([(JSON, json!({ "schema": schema_of::<T>(schemas) }))]),
    }
}

pub(super) fn answer<T: JsonSchema>(description: &str, schemas: &mut SchemaGenerator) -> Response {
    json_answer(description, schema_of::<T>(schemas))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "callers build the schema in place"
)]
pub(super) fn json_answer(description: impl Into<String>, schema: Value) -> Response {
    let request_id = json!({ "$ref": "#/components/headers/x-request-id" });
    Response {
        description: description.into(),
        headers: IndexMap::from([("x-request-id", request_id)]),
        content: IndexMap::from([(JSON, json!({ "schema": schema }))]),
    }
}

pub(super) fn redirect() -> Response {
    let mut response = json_answer("It is too large for the answer.", json!({}));
    response.content.clear();
    let location = json!({
        "description": "The URL to read it from, valid for at least five minutes. Request it without the Authorization header.",
        "schema": { "type": "string", "format": "uri" },
    });
    response.headers.insert("location", location);
    response
}
