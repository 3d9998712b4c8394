//! The HTTP API as an OpenAPI document. <https://spec.openapis.org/oas/v3.1.1.html>

use std::{
    borrow::Cow,
    collections::{BTreeMap, btree_map::Entry},
};

use contract::{
    http::{
        CancelAccepted, EXTERNAL_WORKER, ErrorBody, HttpErrorCode, JobCreated, WORKER_PARAMETER,
    },
    input::INPUT,
    limits::MAX_INPUT_BYTES,
    messages::JobSnapshot,
    routes::HttpRoute,
    worker::{ClaimRequest, Claimed, EventsAccepted, EventsRequest},
};
use indexmap::IndexMap;
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::DocumentError;

const JSON: &str = "application/json";

/// Where the schemas are in the document.
const SCHEMAS: &str = "#/components/schemas";

#[derive(Serialize)]
struct Document {
    openapi: &'static str,
    info: Info,
    servers: Vec<Server>,
    tags: Vec<Tag>,
    paths: IndexMap<&'static str, IndexMap<String, Operation>>,
    components: Components,
}

#[derive(Serialize)]
struct Info {
    title: &'static str,
    version: &'static str,
    description: &'static str,
    license: License,
}

#[derive(Serialize)]
struct License {
    name: &'static str,
    identifier: &'static str,
}

#[derive(Serialize)]
struct Server {
    url: &'static str,
    description: &'static str,
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    variables: IndexMap<&'static str, Variable>,
}

#[derive(Serialize)]
struct Variable {
    default: &'static str,
    description: &'static str,
}

#[derive(Serialize)]
struct Tag {
    name: &'static str,
    description: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Operation {
    #[serde(rename = "operationId")]
    id: String,
    summary: &'static str,
    description: Cow<'static, str>,
    tags: [&'static str; 1],
    security: Vec<IndexMap<&'static str, [&'static str; 0]>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parameters: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_body: Option<Body>,
    responses: BTreeMap<String, Response>,
}

#[derive(Serialize)]
struct Body {
    required: bool,
    content: IndexMap<&'static str, Value>,
}

#[derive(Serialize)]
struct Response {
    description: String,
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    headers: IndexMap<&'static str, Value>,
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    content: IndexMap<&'static str, Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Components {
    security_schemes: Value,
    parameters: Value,
    headers: Value,
    schemas: Map<String, Value>,
}

/// Who may call a route.
#[derive(Clone, Copy)]
enum Key {
    /// Anyone, unless the environment asks for a token.
    None,
    /// Who may watch the job.
    Access,
    /// Who may watch the job, or run it.
    Either,
    /// Who may run the job.
    Worker,
}

/// What is only known about a route here: who may call it, what it takes and what it answers.
struct Facts {
    key: Key,
    description: Cow<'static, str>,
    parameters: Vec<Value>,
    takes: Option<Body>,
    answers: Vec<(u16, Response)>,
}

/// The document.
pub fn openapi(header: &str) -> Result<String, DocumentError> {
    let mut settings = SchemaSettings::draft2020_12().for_serialize();
    settings.definitions_path = SCHEMAS.trim_start_matches('#').into();
    let mut schemas = settings.into_generator();
    let mut paths: IndexMap<&'static str, IndexMap<String, Operation>> = IndexMap::new();
    for route in HttpRoute::ALL {
        let operation = operation(*route, &mut schemas);
        let method = route.method().name().to_ascii_lowercase();
        paths
            .entry(route.path())
            .or_default()
            .insert(method, operation);
    }
    let document = Document {
        openapi: "3.1.1",
        info: Info {
            title: "Stagecast",
            version: env!("CARGO_PKG_VERSION"),
            description: "Makes jobs, answers with their status and results, and lets workers of \
                          any kind run them. Who waits for a job is told how far it is over the \
                          [WebSocket API](websocket.html). Every error has a `code`, words for a \
                          person, and the `request_id` to ask about.",
            license: License {
                name: env!("CARGO_PKG_LICENSE"),
                identifier: env!("CARGO_PKG_LICENSE"),
            },
        },
        servers: servers(),
        tags: vec![
            Tag {
                name: "jobs",
                description: "For those who make jobs and watch them.",
            },
            Tag {
                name: "workers",
                description: "For programs that run jobs from outside. They claim a job, fetch its \
                              input, and post what happens to it.",
            },
        ],
        paths,
        components: components(schemas),
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
            description: "The deployed stack. Its output HttpApiUrl is the whole address.",
            variables,
        },
        Server {
            url: "http://127.0.0.1:4800",
            description: "`cargo dev`",
            variables: IndexMap::new(),
        },
    ]
}

fn operation(route: HttpRoute, schemas: &mut SchemaGenerator) -> Operation {
    let facts = facts(route, schemas);
    let mut parameters = facts.parameters;
    if route.path().contains("{job_id}") {
        parameters.insert(0, json!({ "$ref": "#/components/parameters/job_id" }));
    }
    let answers = facts.answers.into_iter();
    let responses = answers
        .chain(refusals(route, schemas))
        .map(|(status, response)| (status.to_string(), response))
        .collect();
    Operation {
        id: format!("{route:?}"),
        summary: route.description(),
        description: facts.description,
        tags: [match facts.key {
            Key::None | Key::Access | Key::Either => "jobs",
            Key::Worker => "workers",
        }],
        security: match facts.key {
            Key::None => Vec::new(),
            Key::Access => vec![IndexMap::from([("access_key", [])])],
            Key::Either => vec![
                IndexMap::from([("access_key", [])]),
                IndexMap::from([("worker_key", [])]),
            ],
            Key::Worker => vec![IndexMap::from([("worker_key", [])])],
        },
        parameters,
        request_body: facts.takes,
        responses,
    }
}

/// What the document says of a route beyond its declaration.
fn facts(route: HttpRoute, schemas: &mut SchemaGenerator) -> Facts {
    match route {
        HttpRoute::CreateJob => Facts {
            key: Key::None,
            description: format!(
                "The body is what the job is made from: for the pipeline {} as {} of at most {}, \
                 for an external worker anything that it accepts, of at most {} MB. A text, by its \
                 content-type, can be too large before that: a quote, a backslash and a line break \
                 count twice against the 6 MB that Lambda takes, and API Gateway answers 413 with a \
                 `message` only.",
                INPUT.name_with_article(),
                INPUT.labels(),
                INPUT.max_size(),
                MAX_INPUT_BYTES / (1024 * 1024),
            )
            .into(),
            parameters: vec![
                json!({
                    "name": WORKER_PARAMETER,
                    "in": "query",
                    "description": "Who runs the job: the pipeline when left out, or a worker of \
                                    its own, which gets the answer's `worker_key`.",
                    "schema": { "type": "string", "enum": [EXTERNAL_WORKER] },
                }),
                json!({
                    "name": "x-correlation-id",
                    "in": "header",
                    "description": "The caller's own id for what it does. Every message and log \
                                    record of the job carries it.",
                    "schema": { "type": "string", "maxLength": 128, "pattern": "^[A-Za-z0-9._:-]+$" },
                }),
            ],
            takes: Some(Body {
                // The input for a worker of its own may be empty.
                required: false,
                content: INPUT
                    .media_types
                    .iter()
                    .map(|media_type| media_type.name)
                    .chain(["*/*"])
                    .map(|name| (name, json!({})))
                    .collect(),
            }),
            answers: vec![(202, answer::<JobCreated>("The job was made.", schemas))],
        },
        HttpRoute::GetJob => Facts {
            key: Key::Access,
            description: "The same snapshot that `request_status` answers with over the WebSocket \
                          API.".into(),
            parameters: Vec::new(),
            takes: None,
            answers: vec![(200, answer::<JobSnapshot>("The job as it is now.", schemas))],
        },
        HttpRoute::GetResults => Facts {
            key: Key::Either,
            description: "Those of the last stage once the job is completed, or those of one stage \
                          as soon as it has finished; the worker key opens those of a stage, too. \
                          They are the bytes that the stage posted. Over 4 MB, or where quotes and \
                          backslashes, which count twice, make more than 6 MB of them, they are at \
                          the address of a 307.".into(),
            parameters: vec![
                json!({
                    "name": "stage",
                    "in": "query",
                    "description": "The stage whose results are wanted.",
                    "schema": { "type": "string" },
                }),
                json!({
                    "name": "sha256",
                    "in": "query",
                    "description": "Part of a message's `results_url`, so that other results have \
                                    another address. Not looked at.",
                    "schema": { "type": "string", "pattern": "^[0-9a-f]{64}$" },
                }),
            ],
            takes: None,
            answers: vec![
                (
                    200,
                    json_answer("The results, as the stage has made them.", json!({})),
                ),
                (307, elsewhere()),
            ],
        },
        HttpRoute::CancelJob => Facts {
            key: Key::Access,
            description: "Who runs the job hears of it within a second, and the job ends with \
                          `job_cancelled`. A job that is not running ends at once.".into(),
            parameters: Vec::new(),
            takes: None,
            answers: vec![(
                202,
                answer::<CancelAccepted>("The job has been asked to stop.", schemas),
            )],
        },
        HttpRoute::ClaimJob => Facts {
            key: Key::Worker,
            description: "The job is the worker's for 30 seconds, and for 30 more after each post. \
                          A worker that takes over from one that is gone goes on after the stages \
                          that have finished. The answer holds up to 4 MB of their results, those of \
                          the last stages first; the others come as a `results_url`. The fourth claim without a stage finished since the \
                          first fails the job.".into(),
            parameters: Vec::new(),
            takes: Some(json_body::<ClaimRequest>(schemas)),
            answers: vec![(200, answer::<Claimed>("The job is the worker's.", schemas))],
        },
        HttpRoute::GetInput => Facts {
            key: Key::Worker,
            description: "The body of the request that made the job, with its media type.".into(),
            parameters: Vec::new(),
            takes: None,
            answers: vec![(
                200,
                Response {
                    content: IndexMap::from([("*/*", json!({}))]),
                    ..json_answer("The input.", json!({}))
                },
            )],
        },
        HttpRoute::PostEvents => Facts {
            key: Key::Worker,
            description: "Durable events are logged first and sent to everyone who watches, in \
                          their order; of progress updates the latest wins. The answer comes when \
                          they are sent, or left to be sent later. Post one request at a time, \
                          with the `seq` of the last answer as `after_seq`. A post whose answer was \
                          lost is sent again as it was: what is there already is not done twice. A \
                          post without events is a heartbeat. The body may have 4 MB if it is sent as \
                          `application/octet-stream`; as `application/json`, a quote and a backslash \
                          count twice against the 6 MB that Lambda takes, and API Gateway answers 413 \
                          with a `message` only. Results may be nested 120 levels deep.".into(),
            parameters: Vec::new(),
            takes: Some(json_body::<EventsRequest>(schemas)),
            answers: vec![(
                200,
                answer::<EventsAccepted>("The events have happened.", schemas),
            )],
        },
    }
}

/// The errors of a route by their status, and those of API Gateway itself.
fn refusals(route: HttpRoute, schemas: &mut SchemaGenerator) -> BTreeMap<u16, Response> {
    let mut codes: BTreeMap<u16, Vec<HttpErrorCode>> = BTreeMap::new();
    for code in route.errors() {
        codes.entry(code.status()).or_default().push(*code);
    }
    let mut refusals: BTreeMap<u16, Response> = codes
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
    let gateway = json!({ "type": "object", "properties": { "message": { "type": "string" } } });
    for (status, description) in [
        (429, "Too many requests: API Gateway's own answer."),
        (503, "Too busy, or too slow: API Gateway's own answer."),
    ] {
        let mut response = json_answer(description, gateway.clone());
        response.headers.clear();
        match refusals.entry(status) {
            Entry::Vacant(entry) => {
                entry.insert(response);
            }
            Entry::Occupied(mut entry) => entry.get_mut().or(response),
        }
    }
    refusals
}

fn schema_of<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Value {
    schemas.subschema_for::<T>().to_value()
}

fn json_body<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Body {
    Body {
        required: true,
        content: IndexMap::from([(JSON, json!({ "schema": schema_of::<T>(schemas) }))]),
    }
}

fn answer<T: JsonSchema>(description: &str, schemas: &mut SchemaGenerator) -> Response {
    json_answer(description, schema_of::<T>(schemas))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "schemas are made where they are used"
)]
fn json_answer(description: impl Into<String>, schema: Value) -> Response {
    let request_id = json!({ "$ref": "#/components/headers/x-request-id" });
    Response {
        description: description.into(),
        headers: IndexMap::from([("x-request-id", request_id)]),
        content: IndexMap::from([(JSON, json!({ "schema": schema }))]),
    }
}

impl Response {
    /// Allows another answer with the same status.
    fn or(&mut self, other: Self) {
        self.description = format!("{}\n- {}", self.description, other.description);
        for (media_type, content) in other.content {
            let known = self.content.entry(media_type).or_insert(Value::Null);
            *known = json!({ "schema": { "anyOf": [known["schema"], content["schema"]] } });
        }
    }
}

fn elsewhere() -> Response {
    let mut response = json_answer("The results are too large for an answer.", json!({}));
    response.content.clear();
    let location = json!({
        "description": "Where they are, for five minutes. Without the Authorization header.",
        "schema": { "type": "string", "format": "uri" },
    });
    response.headers.insert("location", location);
    response
}

fn components(mut schemas: SchemaGenerator) -> Components {
    let bearer = |description: &str| json!({ "type": "http", "scheme": "bearer", "description": description });
    Components {
        security_schemes: json!({
            "access_key": bearer("What `POST /v1/jobs` answered with: for watching and cancelling."),
            "worker_key": bearer(
                "What `POST /v1/jobs?worker=external` answered with: for running the job.",
            ),
        }),
        parameters: json!({
            "job_id": {
                "name": "job_id",
                "in": "path",
                "required": true,
                "description": "The job.",
                "schema": { "type": "string", "pattern": "^job_[A-Za-z0-9_]+$", "maxLength": 64 },
                "example": "job_20240115_0123456789abcdef",
            },
        }),
        headers: json!({
            "x-request-id": {
                "description": "The id to ask about.",
                "schema": { "type": "string" },
            },
        }),
        schemas: schemas.take_definitions(true),
    }
}

#[cfg(test)]
mod tests {
    use contract::routes::Method;

    use super::*;

    fn document() -> Value {
        let document = openapi("# generated\n").expect("a document");
        serde_yaml::from_str(&document).expect("YAML")
    }

    #[test]
    fn every_route_has_an_operation_with_an_answer_and_all_its_errors() {
        let document = document();
        for route in HttpRoute::ALL {
            let method = route.method().name().to_ascii_lowercase();
            let operation = &document["paths"][route.path()][method];
            assert_eq!(operation["operationId"], format!("{route:?}"));
            let responses = operation["responses"].as_object().expect("responses");
            assert!(responses.keys().any(|status| status.starts_with('2')));
            for code in route.errors() {
                let response = &responses[&code.status().to_string()];
                let name = json!(code).as_str().expect("a name").to_owned();
                assert!(response.to_string().contains(&name), "{route:?}: {name}");
            }
            let has_body = operation.get("requestBody").is_some();
            assert_eq!(has_body, route.method() == Method::Post, "{route:?}");
        }
    }

    #[test]
    fn every_type_of_event_is_in_the_document() {
        let document = document();
        let event = document["components"]["schemas"]["WorkerEvent"].to_string();
        for kind in contract::worker::EVENT_TYPES {
            assert!(event.contains(&format!("\"{kind}\"")), "{kind}: {event}");
        }
    }
}
