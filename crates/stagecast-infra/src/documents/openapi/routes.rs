//! What the document says of each route beyond its declaration.

use std::borrow::Cow;

use indexmap::IndexMap;
use schemars::SchemaGenerator;
use serde_json::{Value, json};
use stagecast_contract::{
    http::{CancelAccepted, EXTERNAL_WORKER, IDEMPOTENCY_HEADER, JobCreated, WORKER_PARAMETER},
    input::InputRules,
    limits::{MAX_IDEMPOTENCY_KEY_BYTES, MAX_INPUT_BYTES, MIN_IDEMPOTENCY_KEY_BYTES},
    messages::JobSnapshot,
    routes::HttpRoute,
    worker::{ClaimRequest, Claimed, EventsAccepted, EventsRequest},
};

use super::{
    model::{Body, Response},
    responses::{answer, json_answer, json_body, redirect},
};

/// The key that a route expects.
#[derive(Clone, Copy)]
pub(super) enum Key {
    /// None. The environment may require a token.
    None,
    /// The access key, for watching and cancelling.
    Access,
    /// Either key.
    Either,
    /// The worker key, for running the job.
    Worker,
}

/// What the document says of a route beyond its declaration.
pub(super) struct Facts {
    pub(super) key: Key,
    pub(super) description: Cow<'static, str>,
    pub(super) parameters: Vec<Value>,
    pub(super) takes: Option<Body>,
    pub(super) answers: Vec<(u16, Response)>,
}

/// The facts of a route. Schemas that they refer to are added to `schemas`.
pub(super) fn facts(route: HttpRoute, input: &InputRules, schemas: &mut SchemaGenerator) -> Facts {
    match route {
        HttpRoute::CreateJob => Facts {
            key: Key::None,
            description: format!(
                "The body is the input of the job: for the pipeline {} as {} of at most {}, for an \
                 external worker anything that it accepts, of at most {} MB. If the content-type is \
                 a text, the limit can be lower: quotes, backslashes and line breaks count twice \
                 against the 6 MB that Lambda accepts, and API Gateway then answers 413 with a \
                 `message` only.",
                input.name_with_article(),
                input.labels(),
                input.max_size(),
                MAX_INPUT_BYTES / (1024 * 1024),
            )
            .into(),
            parameters: vec![
                json!({
                    "name": WORKER_PARAMETER,
                    "in": "query",
                    "description": "What runs the job: the pipeline if omitted, or an external \
                                    worker, which needs the answer's `worker_key`.",
                    "schema": { "type": "string", "enum": [EXTERNAL_WORKER] },
                }),
                json!({
                    "name": IDEMPOTENCY_HEADER,
                    "in": "header",
                    "description": "The client's name of this creation, such as a new UUID. A repeated \
                                    request with the same key, body, content-type and worker gets the \
                                    same response for 24 hours, and creates no second job.",
                    "schema": {
                        "type": "string",
                        "minLength": MIN_IDEMPOTENCY_KEY_BYTES,
                        "maxLength": MAX_IDEMPOTENCY_KEY_BYTES,
                    },
                }),
                json!({
                    "name": "x-correlation-id",
                    "in": "header",
                    "description": "The caller's id of the operation. Every message and log \
                                    record of the job contains it.",
                    "schema": { "type": "string", "maxLength": 128, "pattern": "^[A-Za-z0-9._:-]+$" },
                }),
            ],
            takes: Some(Body {
                // The input for an external worker may be empty.
                required: false,
                content: input
                    .media_types
                    .iter()
                    .map(|media_type| media_type.name)
                    .chain(["*/*"])
                    .map(|name| (name, json!({})))
                    .collect(),
            }),
            answers: vec![(202, answer::<JobCreated>("The job was created.", schemas))],
        },
        HttpRoute::GetJob => Facts {
            key: Key::Access,
            description: "The same snapshot as the reply to `request_status` of the WebSocket API."
                .into(),
            parameters: Vec::new(),
            takes: None,
            answers: vec![(200, answer::<JobSnapshot>("The current state of the job.", schemas))],
        },
        HttpRoute::GetResults => Facts {
            key: Key::Either,
            description: "The results of the last stage after the job has completed, or those of one \
                          stage as soon as it has finished. The worker key allows to read those of a \
                          stage as well. The body consists of the bytes that the stage posted. \
                          Results over 4 MB, or over 6 MB if quotes and backslashes count twice, are \
                          answered with a redirect (307).".into(),
            parameters: vec![
                json!({
                    "name": "stage",
                    "in": "query",
                    "description": "The name of the stage.",
                    "schema": { "type": "string" },
                }),
                json!({
                    "name": "sha256",
                    "in": "query",
                    "description": "Part of a message's `results_url`, so that different results \
                                    have different URLs. The server ignores it.",
                    "schema": { "type": "string", "pattern": "^[0-9a-f]{64}$" },
                }),
            ],
            takes: None,
            answers: vec![
                (
                    200,
                    json_answer("The results, as the stage posted them.", json!({})),
                ),
                (307, redirect()),
            ],
        },
        HttpRoute::CancelJob => Facts {
            key: Key::Access,
            description: "The worker or the pipeline is notified within a second, and the job ends \
                          with `job_cancelled`. A job that is not running ends at once.".into(),
            parameters: Vec::new(),
            takes: None,
            answers: vec![(
                202,
                answer::<CancelAccepted>("The cancellation was requested.", schemas),
            )],
        },
        HttpRoute::ClaimJob => Facts {
            key: Key::Worker,
            description: "The lease of the worker lasts 30 seconds, and each post renews it. A worker \
                          that claims the job after another one continues after the finished stages. \
                          The answer contains up to 4 MB of their results, those of the last stages \
                          first; the others are given as a `results_url`. The fourth claim without a \
                          stage finished since the first one fails the job.".into(),
            parameters: Vec::new(),
            takes: Some(json_body::<ClaimRequest>(schemas)),
            answers: vec![(200, answer::<Claimed>("The worker has the lease of the job.", schemas))],
        },
        HttpRoute::GetInput => Facts {
            key: Key::Worker,
            description: "The body of the request that created the job, with its media type.".into(),
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
            description: "Durable events are logged first, then sent to all subscribers in their \
                          order; of progress updates only the latest counts. The answer follows when \
                          they are sent, or queued to be sent later. Send one post at a time, with \
                          the `seq` of the last answer as `after_seq`. Repeat a post without changes \
                          if its answer was lost: posts are idempotent. A post without events is a \
                          heartbeat. The body may have 4 MB if it is sent as \
                          `application/octet-stream`. As `application/json`, quotes and backslashes \
                          count twice against the 6 MB that Lambda accepts, and API Gateway then \
                          answers 413 with a `message` only. Results may be nested 120 levels \
                          deep.".into(),
            parameters: Vec::new(),
            takes: Some(json_body::<EventsRequest>(schemas)),
            answers: vec![(
                200,
                answer::<EventsAccepted>("The events were accepted.", schemas),
            )],
        },
    }
}
