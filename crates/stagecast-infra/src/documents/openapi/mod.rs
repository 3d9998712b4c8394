//! The HTTP API as an OpenAPI document. <https://spec.openapis.org/oas/v3.1.1.html>

mod model;
mod product_routes;
mod responses;
mod routes;

use indexmap::IndexMap;
use schemars::SchemaGenerator;
use serde_json::json;
use stagecast_contract::{input::InputRules, routes::HttpRoute};

use self::{
    model::{Components, Document, Info, License, RouteOperation, Server, Tag, Variable},
    responses::errors,
    routes::{Key, facts},
};
use super::DocumentError;
use crate::project::Project;

/// Writes the document as YAML. `header` is its first line, a comment.
pub fn openapi(project: Project, header: &str) -> Result<String, DocumentError> {
    let product = project.product;
    let (mut schemas, bodies) = project.bodies().into_parts();
    let mut operations = Vec::new();
    for route in HttpRoute::ALL {
        let operation = operation(*route, product.input, &mut schemas);
        operations.push((route.path().to_owned(), route.method(), operation));
    }
    operations.extend(product_routes::operations(product, bodies)?);
    let mut paths: IndexMap<String, IndexMap<String, RouteOperation>> = IndexMap::new();
    for (path, method, operation) in operations {
        let method = method.name().to_ascii_lowercase();
        paths.entry(path).or_default().insert(method, operation);
    }
    let mut tags = vec![
        Tag {
            name: "jobs",
            description: "Creates jobs and reads their status and results.",
        },
        Tag {
            name: "workers",
            description: "For external workers, which claim a job, read its input, and post its \
                          progress and results.",
        },
    ];
    tags.extend(product_routes::tags(product, &tags));
    let document = Document {
        openapi: "3.1.1",
        info: Info {
            title: "Stagecast",
            version: env!("CARGO_PKG_VERSION"),
            description: "Creates jobs, returns their status and results, and lets external workers \
                          run them. The [WebSocket API](websocket.html) streams their progress. \
                          Every error has a `code`, a message, and the `request_id` that the logs \
                          contain.",
            license: License {
                name: env!("CARGO_PKG_LICENSE"),
                identifier: env!("CARGO_PKG_LICENSE"),
            },
        },
        servers: servers(),
        tags,
        paths,
        components: components(schemas, product_routes::require_token(product)),
    };
    Ok(format!("{header}{}", serde_yaml::to_string(&document)?))
}

fn servers() -> Vec<Server> {
    let variables = IndexMap::from([
        (
            "api_id",
            Variable {
                default: "api-id",
                description: "The stack's output HttpApiId",
            },
        ),
        (
            "region",
            Variable {
                default: "us-east-1",
                description: "The region that the stack is in",
            },
        ),
    ]);
    vec![
        Server {
            url: "https://{api_id}.execute-api.{region}.amazonaws.com",
            description: "The deployed stack. Its output HttpApiUrl is the complete URL.",
            variables,
        },
        Server {
            url: "http://127.0.0.1:4800",
            description: "`cargo dev`",
            variables: IndexMap::new(),
        },
    ]
}

fn operation(
    route: HttpRoute,
    input: &InputRules,
    schemas: &mut SchemaGenerator,
) -> RouteOperation {
    let facts = facts(route, input, schemas);
    let mut parameters = facts.parameters;
    if route.path().contains("{job_id}") {
        parameters.insert(0, json!({ "$ref": "#/components/parameters/job_id" }));
    }
    let answers = facts.answers.into_iter();
    let responses = answers
        .chain(errors(route, schemas))
        .map(|(status, response)| (status.to_string(), response))
        .collect();
    RouteOperation {
        id: format!("{route:?}"),
        summary: route.description(),
        description: facts.description,
        tags: [match facts.key {
            Key::None | Key::Owner | Key::Access | Key::Either => "jobs",
            Key::Worker | Key::Token => "workers",
        }],
        security: match facts.key {
            Key::None => Vec::new(),
            Key::Owner => vec![IndexMap::from([("owner_token", [])])],
            Key::Access => vec![
                IndexMap::from([("access_key", [])]),
                IndexMap::from([("owner_token", [])]),
            ],
            Key::Either => vec![
                IndexMap::from([("access_key", [])]),
                IndexMap::from([("worker_key", [])]),
                IndexMap::from([("owner_token", [])]),
            ],
            Key::Worker => vec![IndexMap::from([("worker_key", [])])],
            Key::Token => vec![IndexMap::from([("worker_token", [])])],
        },
        parameters,
        request_body: facts.takes,
        responses,
    }
}

fn components(mut schemas: SchemaGenerator, has_tokens: bool) -> Components {
    let bearer = |description: &str| json!({ "type": "http", "scheme": "bearer", "description": description });
    let mut security_schemes = json!({
        "owner_token": bearer(
            "A JSON Web Token of the owner of the jobs, in an environment with `tokens`.",
        ),
        "access_key": bearer("The `access_key` of the answer to `POST /v1/jobs`, for watching and cancelling."),
        "worker_key": bearer(
            "The `worker_key` of the answer to `POST /v1/jobs?worker=external` or \
             `POST /v1/queues/{queue}/claim`, for running the job.",
        ),
        "worker_token": bearer(
            "A token that `infra-gen worker-tokens create` has printed, for claiming from queues.",
        ),
    });
    if has_tokens {
        let mut token = bearer(
            "A token of your identity provider, in environments with a `job_authorizer`. Without one, the \
             routes are open.",
        );
        token["bearerFormat"] = json!("JWT");
        security_schemes[product_routes::TOKEN] = token;
    }
    Components {
        security_schemes,
        parameters: json!({
            "job_id": {
                "name": "job_id",
                "in": "path",
                "required": true,
                "description": "The id of the job.",
                "schema": { "type": "string", "pattern": "^job_[A-Za-z0-9_]+$", "maxLength": 64 },
                "example": "job_20240115_0123456789abcdef",
            },
        }),
        headers: json!({
            "x-request-id": {
                "description": "The id of the request in the logs.",
                "schema": { "type": "string" },
            },
        }),
        schemas: schemas.take_definitions(true),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use typed_contract::routes::Method;

    use super::*;
    use crate::test_product::project;

    fn document() -> Value {
        let document = openapi(project(), "# generated\n").expect("a document");
        serde_yaml::from_str(&document).expect("YAML")
    }

    #[test]
    fn every_route_has_an_operation_with_all_its_errors() {
        let document = document();
        for route in HttpRoute::ALL.iter().copied() {
            let method = route.method().name().to_ascii_lowercase();
            let operation = &document["paths"][route.path()][method];
            assert_eq!(operation["operationId"], format!("{route:?}"));
            let responses = operation["responses"].as_object().expect("responses");
            assert!(
                responses
                    .keys()
                    .any(|status| status.starts_with(['2', '3']))
            );
            for code in route.errors() {
                let response = &responses[&route.status_of(*code).to_string()];
                let name = json!(code).as_str().expect("a name").to_owned();
                assert!(response.to_string().contains(&name), "{route:?}: {name}");
            }
            let has_body = operation.get("requestBody").is_some();
            let expects_body = route.method() == Method::Post && route != HttpRoute::CompleteUpload;
            assert_eq!(has_body, expects_body, "{route:?}");
        }
    }

    #[test]
    fn document_has_every_type_of_event() {
        let document = document();
        let event = document["components"]["schemas"]["WorkerEvent"].to_string();
        for kind in stagecast_contract::worker::EVENT_TYPES {
            assert!(event.contains(&format!("\"{kind}\"")), "{kind}: {event}");
        }
    }
}
