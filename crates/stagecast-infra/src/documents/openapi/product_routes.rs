//! The operations of a product's own routes.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::{Value, json};
use stagecast_contract::product::{Product, ProductRoutes};
use typed_contract::{
    functions::FunctionSpec,
    routes::{HttpRouteSpec, Method},
};

use super::{
    model::{Body, Response, RouteOperation, Tag},
    responses::{JSON, gateway_answer, gateway_errors},
};
use crate::{documents::DocumentError, route_bodies::RouteBody};

/// The security scheme of routes with `authorizer: Api`.
pub(super) const TOKEN: &str = "token";

/// The tags of the product's functions that serve routes. One that has the name of a tag in `known` uses that.
pub(super) fn tags(product: &Product, known: &[Tag]) -> Vec<Tag> {
    let functions = product.http_routes.iter().map(ProductRoutes::function);
    let new = functions.filter(|function| known.iter().all(|tag| tag.name != function.name));
    new.map(|function| Tag {
        name: function.name,
        description: function.description,
    })
    .collect()
}

/// Whether a route of the product requires a token.
pub(super) fn require_token(product: &Product) -> bool {
    let mut specs = product.http_routes.iter().flat_map(ProductRoutes::specs);
    specs.any(|spec| spec.authorizer.is_api())
}

/// The path, method and operation of each of the product's own routes. `bodies` are the described ones, by the
/// key of their route.
pub(super) fn operations(
    product: &Product,
    mut bodies: BTreeMap<String, RouteBody>,
) -> Result<Vec<(String, Method, RouteOperation)>, DocumentError> {
    let mut operations = Vec::new();
    for routes in product.http_routes {
        for spec in routes.specs() {
            let body = bodies.remove(&spec.key()).unwrap_or_default();
            let operation = operation(spec, routes.function(), body);
            operations.push((path(spec), spec.method, operation));
        }
    }
    match bodies.into_keys().next() {
        Some(route) => Err(DocumentError::UnknownRoute { route }),
        None => Ok(operations),
    }
}

/// The path as OpenAPI writes it: without the `+` of API Gateway's parameters for several segments.
fn path(spec: &HttpRouteSpec) -> String {
    spec.path.replace("+}", "}")
}

fn operation(spec: &HttpRouteSpec, function: &FunctionSpec, body: RouteBody) -> RouteOperation {
    RouteOperation {
        id: spec.name.to_owned(),
        summary: spec.description,
        description: format!("Served by the function `{}`.", function.name).into(),
        tags: [function.name],
        security: if spec.authorizer.is_api() {
            vec![IndexMap::from([(TOKEN, [])])]
        } else {
            Vec::new()
        },
        parameters: parameters(spec),
        request_body: request_body(spec.method, body.request),
        responses: responses(spec, body.responses),
    }
}

/// The parameters of the path. The document has `job_id` once for all routes.
fn parameters(spec: &HttpRouteSpec) -> Vec<Value> {
    let path = path(spec);
    let parts = path.split('{').skip(1);
    let names = parts.filter_map(|part| Some(part.split_once('}')?.0));
    let parameter = |name| match name {
        "job_id" => json!({ "$ref": "#/components/parameters/job_id" }),
        name => json!({
            "name": name,
            "in": "path",
            "required": true,
            "schema": { "type": "string" },
        }),
    };
    names.map(parameter).collect()
}

fn request_body(method: Method, schema: Option<Value>) -> Option<Body> {
    match (schema, method) {
        (Some(schema), _) => Some(Body {
            required: true,
            content: IndexMap::from([(JSON, json!({ "schema": schema }))]),
        }),
        (None, Method::Post) => Some(Body {
            required: false,
            content: IndexMap::from([("*/*", json!({}))]),
        }),
        (None, Method::Get | Method::Delete) => None,
    }
}

fn responses(spec: &HttpRouteSpec, described: BTreeMap<u16, Value>) -> BTreeMap<String, Response> {
    let mut responses: BTreeMap<String, Response> = gateway_errors()
        .map(|(status, response)| (status.to_string(), response))
        .collect();
    if spec.authorizer.is_api() {
        let refused = gateway_answer("The token is missing or invalid: the answer of API Gateway.");
        responses.insert("401".to_owned(), refused);
    }
    responses.insert("default".to_owned(), response("An error.", &error_schema()));
    if described.keys().all(|status| !(200..300).contains(status)) {
        responses.insert("2XX".to_owned(), response("Success.", &json!({})));
    }
    for (status, schema) in described {
        let description = if status < 400 {
            "Success."
        } else {
            "An error."
        };
        responses.insert(status.to_string(), response(description, &schema));
    }
    responses
}

fn response(description: &str, schema: &Value) -> Response {
    Response {
        description: description.to_owned(),
        headers: IndexMap::new(),
        content: IndexMap::from([(JSON, json!({ "schema": schema }))]),
    }
}

/// The body of `stagecast::http::error`.
fn error_schema() -> Value {
    json!({
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["code", "message"],
                "properties": {
                    "code": { "type": "string", "description": "The error code, for programs." },
                    "message": { "type": "string", "description": "The error, for people." },
                },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        documents::openapi,
        environments::Environment,
        project::Project,
        route_bodies::RouteBodies,
        test_product::{PRODUCT_WITH_ROUTES, ShelfRoute},
    };

    /// The number of books on a shelf.
    #[derive(schemars::JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Shelf {
        books: u32,
    }

    fn project() -> Project {
        Project::new(&PRODUCT_WITH_ROUTES, || vec![Environment::dev()])
    }

    fn document(project: Project) -> Value {
        let document = openapi(project, "# generated\n").expect("a document");
        serde_yaml::from_str(&document).expect("YAML")
    }

    #[test]
    fn routes_of_a_product_have_their_function_and_a_generic_body() {
        let document = document(project());
        let get = &document["paths"]["/v1/shelves/{shelf}"]["get"];
        assert_eq!(get["operationId"], "GetShelf");
        assert_eq!(get["summary"], "Returns a shelf.");
        assert_eq!(get["tags"], json!(["shelves"]));
        assert_eq!(get["security"], json!([]));
        assert_eq!(get["parameters"][0]["name"], "shelf");
        assert!(get.get("requestBody").is_none(), "{get}");
        let success = &get["responses"]["2XX"]["content"][JSON];
        assert_eq!(success, &json!({ "schema": {} }));
        let tags = document["tags"].as_array().expect("tags");
        let tag = json!({ "name": "shelves", "description": "Serves the shelves." });
        assert!(tags.contains(&tag), "{tags:?}");
    }

    #[test]
    fn route_with_an_authorizer_requires_a_token() {
        let document = document(project());
        let post = &document["paths"]["/v1/shelves"]["post"];
        assert_eq!(post["security"], json!([{ "token": [] }]));
        assert!(post["responses"]["401"].is_object(), "{post}");
        assert_eq!(post["requestBody"]["content"], json!({ "*/*": {} }));
        let scheme = &document["components"]["securitySchemes"]["token"];
        assert_eq!(scheme["bearerFormat"], "JWT");
    }

    #[test]
    fn described_bodies_refer_to_the_schemas_of_their_types() {
        let document = document(project().with_bodies(|bodies| {
            let route = ShelfRoute::PutShelf.spec();
            bodies.request::<Shelf>(route).response::<Shelf>(route, 201);
        }));
        let post = &document["paths"]["/v1/shelves"]["post"];
        let shelf = json!({ "schema": { "$ref": "#/components/schemas/Shelf" } });
        assert_eq!(post["requestBody"]["content"][JSON], shelf);
        assert_eq!(post["requestBody"]["required"], true);
        assert_eq!(post["responses"]["201"]["content"][JSON], shelf);
        assert!(post["responses"].get("2XX").is_none(), "{post}");
        let schema = &document["components"]["schemas"]["Shelf"];
        assert_eq!(schema["properties"]["books"]["type"], "integer");
    }

    #[test]
    fn body_of_a_route_that_the_product_does_not_have_is_an_error() {
        typed_contract::http_routes! {
            /// Routes of another product.
            enum Other {
                /// Returns nothing.
                GetNothing = Get "/v1/nothing",
            }
        }
        let bodies = |bodies: &mut RouteBodies| {
            bodies.response::<Shelf>(Other::GetNothing.spec(), 200);
        };
        let error = openapi(project().with_bodies(bodies), "").expect_err("an unknown route");
        let text = error.to_string();
        assert!(text.contains("`GET /v1/nothing`"), "{text}");
    }
}
