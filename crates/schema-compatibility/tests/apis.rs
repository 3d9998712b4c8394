//! Pairs of OpenAPI documents, and the changes between them that break clients.

use schema_compatibility::{Rules, compare_apis};
use serde_json::{Value, json};

fn api() -> Value {
    json!({
        "openapi": "3.1.0",
        "paths": {"/v1/orders/{id}": {
            "get": {
                "security": [{"key": []}, {"token": []}],
                "parameters": [
                    {"$ref": "#/components/parameters/id"},
                    {"name": "size", "in": "query", "schema": {"type": "integer", "maximum": 9}},
                ],
                "responses": {
                    "200": {
                        "headers": {"x-id": {"$ref": "#/components/headers/x-id"}},
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}},
                    },
                    "404": {},
                },
            },
            "post": {
                "security": [],
                "requestBody": {
                    "required": false,
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Order"}},
                        "text/csv": {},
                    },
                },
                "responses": {"202": {}},
            },
        }},
        "components": {
            "parameters": {"id": {"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}},
            "headers": {"x-id": {"schema": {"type": "string"}}},
            "schemas": {"Order": {
                "type": "object",
                "properties": {"id": {"type": "string"}, "size": {"type": "integer"}},
                "required": ["id"],
            }},
        },
    })
}

/// What is reported after `change`.
fn changes(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let old = api();
    let mut new = api();
    change(&mut new);
    let changes = compare_apis(&old, &new, &Rules::default());
    changes.iter().map(ToString::to_string).collect()
}

fn operation<'a>(api: &'a mut Value, method: &str) -> &'a mut Value {
    &mut api["paths"]["/v1/orders/{id}"][method]
}

fn remove(object: &mut Value, name: &str) {
    object.as_object_mut().expect("an object").remove(name);
}

#[test]
fn additions_break_nothing() {
    let found = changes(|api| {
        api["paths"]["/v1/new"] = json!({"get": {"responses": {"200": {}}}});
        let get = operation(api, "get");
        get["responses"]["429"] = json!({});
        get["responses"]["200"]["headers"]["x-new"] = json!({"schema": {"type": "string"}});
        let security = get["security"].as_array_mut().expect("ways");
        security.push(json!({"session": []}));
        let parameters = get["parameters"].as_array_mut().expect("parameters");
        parameters.push(json!({"name": "new", "in": "query", "schema": {"type": "string"}}));
        api["components"]["schemas"]["Order"]["properties"]["new"] = json!({"type": "string"});
        operation(api, "post")["requestBody"]["content"]["image/png"] = json!({});
    });
    assert_eq!(found, [""; 0]);
}

#[test]
fn path_and_operation_that_are_gone_are_changes() {
    let found = changes(|api| remove(&mut api["paths"]["/v1/orders/{id}"], "post"));
    assert_eq!(
        found,
        ["POST /v1/orders/{id}: the operation does not exist any more"]
    );
    let found = changes(|api| remove(&mut api["paths"], "/v1/orders/{id}"));
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn parameters_that_clients_send_must_stay() {
    let found = changes(|api| {
        let parameters = operation(api, "get")["parameters"].as_array_mut();
        parameters.expect("parameters").pop();
    });
    assert_eq!(
        found,
        ["GET /v1/orders/{id} size: the parameter does not exist any more"]
    );
    let found = changes(|api| {
        let size = &mut operation(api, "get")["parameters"][1];
        size["schema"]["maximum"] = json!(8);
        size["required"] = json!(true);
    });
    assert_eq!(
        found,
        [
            "GET /v1/orders/{id} size: the maximum is 8, and was 9",
            "GET /v1/orders/{id} size: the parameter is required, and was not",
        ]
    );
}

#[test]
fn parameter_that_clients_do_not_know_must_be_optional() {
    let found = changes(|api| {
        let parameters = operation(api, "get")["parameters"].as_array_mut();
        let parameter = json!({"name": "new", "in": "query", "required": true, "schema": {}});
        parameters.expect("parameters").push(parameter);
    });
    assert_eq!(
        found,
        ["GET /v1/orders/{id} new: the parameter is new, and required"]
    );
}

#[test]
fn schema_is_judged_by_its_direction() {
    let found = changes(|api| {
        api["components"]["schemas"]["Order"]["required"] = json!(["id", "size"]);
    });
    assert_eq!(
        found,
        ["POST /v1/orders/{id} body/size: the property is required, and was not"]
    );
    let found = changes(|api| {
        api["components"]["schemas"]["Order"]["required"] = json!([]);
    });
    assert_eq!(
        found,
        ["GET /v1/orders/{id} 200/id: the property can be absent, and was always there"]
    );
}

#[test]
fn bodies_responses_and_headers_must_stay() {
    let found = changes(|api| {
        let body = &mut operation(api, "post")["requestBody"];
        body["required"] = json!(true);
        remove(&mut body["content"], "text/csv");
        let responses = &mut operation(api, "get")["responses"];
        remove(responses, "404");
        remove(&mut responses["200"]["headers"], "x-id");
    });
    assert_eq!(
        found,
        [
            "GET /v1/orders/{id} 200 header x-id: the header does not exist any more",
            "GET /v1/orders/{id} 404: the response does not exist any more",
            "POST /v1/orders/{id} body: the body is required, and was not",
            "POST /v1/orders/{id} body: the media type text/csv does not exist any more",
        ]
    );
}

#[test]
fn authorization_that_clients_use_must_stay() {
    let found = changes(|api| {
        operation(api, "get")["security"] = json!([{"token": []}]);
        operation(api, "post")["security"] = json!([{"token": []}]);
    });
    assert_eq!(
        found,
        [
            "GET /v1/orders/{id}: the authorization by key is not accepted any more",
            "POST /v1/orders/{id}: requests must be authorized, and did not have to",
        ]
    );
    let found = changes(|api| operation(api, "get")["security"] = json!([]));
    assert_eq!(found, [""; 0]);
}
