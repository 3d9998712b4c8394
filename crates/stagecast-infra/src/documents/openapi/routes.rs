//! What the document says of each route beyond its declaration.

use std::borrow::Cow;

use indexmap::IndexMap;
use schemars::SchemaGenerator;
use serde_json::{Value, json};
use stagecast_contract::{
    description::{JOB_DESCRIPTION_TYPE, JobDescription},
    http::{
        AFTER_PART_PARAMETER, AFTER_SEQ_PARAMETER, CURSOR_PARAMETER, CancelAccepted,
        EXTERNAL_WORKER, EventsPage, IDEMPOTENCY_HEADER, JobCreated, JobsPage,
        LABEL_PARAMETER_PREFIX, OWNER_PARAMETER, PRIORITY_PARAMETER, QUEUE_PARAMETER,
        STATUS_PARAMETER, UploadState, WORKER_PARAMETER,
    },
    input::InputRules,
    limits::{
        MAX_ARTIFACT_NAME_BYTES, MAX_IDEMPOTENCY_KEY_BYTES, MAX_INPUT_BYTES, MAX_LISTED_JOBS,
        MAX_RETRY_AFTER_SECONDS, MIN_IDEMPOTENCY_KEY_BYTES,
    },
    messages::{JobSnapshot, JobStatus},
    owner_tokens::MAX_OWNER_BYTES,
    routes::HttpRoute,
    worker::{
        ArtifactRequest, ArtifactUpload, ClaimRequest, Claimed, EventsAccepted, EventsRequest,
        QueueClaimRequest, ReleaseRequest, Released,
    },
    worker_queues::{DEFAULT_PRIORITY, MAX_PRIORITY, MAX_QUEUE_NAME_BYTES},
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
    /// An owner token.
    Owner,
    /// The access key, or an owner token, for watching and cancelling.
    Access,
    /// Either key.
    Either,
    /// The worker key, for running the job.
    Worker,
    /// The worker token, for claiming from queues.
    Token,
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
#[expect(clippy::too_many_lines, reason = "one entry for each route")]
pub(super) fn facts(route: HttpRoute, input: &InputRules, schemas: &mut SchemaGenerator) -> Facts {
    match route {
        HttpRoute::CreateJob => Facts {
            key: Key::None,
            description: format!(
                "The body is the input of the job: for the pipeline {} as {} of at most {}, for an \
                 external worker anything that it accepts, of at most {} MB. With the content-type \
                 `{JOB_DESCRIPTION_TYPE}`, the body is a description of the job instead: its \
                 parameters, its labels, its time limits, start and retention, and its input or the \
                 size of an input that is uploaded afterwards. If the content-type is \
                 a text, the limit can be lower: quotes, backslashes and line breaks count twice \
                 against the 6 MB that Lambda accepts, and API Gateway then answers 413 with a \
                 `message` only.",
                input.name_with_article(),
                input.labels(),
                InputRules {
                    max_bytes: input.max_body_bytes(),
                    ..*input
                }
                .max_size(),
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
                    "name": QUEUE_PARAMETER,
                    "in": "query",
                    "description": "The queue from which external workers claim the job, one that the \
                                    product declares; `default` is the pipeline. Not together with \
                                    `worker`.",
                    "schema": { "type": "string", "maxLength": MAX_QUEUE_NAME_BYTES },
                }),
                json!({
                    "name": PRIORITY_PARAMETER,
                    "in": "query",
                    "description": "The priority of the job in its queue: the highest is claimed first.",
                    "schema": {
                        "type": "integer",
                        "minimum": 0,
                        "maximum": MAX_PRIORITY,
                        "default": DEFAULT_PRIORITY,
                    },
                }),
                json!({
                    "name": IDEMPOTENCY_HEADER,
                    "in": "header",
                    "description": "The client's name of this creation, such as a new UUID. A repeated \
                                    request with the same key, body, content-type, worker, queue and priority gets the \
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
                    .chain([(
                        JOB_DESCRIPTION_TYPE,
                        json!({ "schema": schemas.subschema_for::<JobDescription>() }),
                    )])
                    .collect(),
            }),
            answers: vec![(202, answer::<JobCreated>("The job was created.", schemas))],
        },
        HttpRoute::ListJobs => Facts {
            key: Key::Owner,
            description: format!("The jobs of the token's owner, newest first, {MAX_LISTED_JOBS} in a page. A page can have \
                          fewer jobs although more follow: request the next one while `next_cursor` is \
                          present. A query parameter `{LABEL_PARAMETER_PREFIX}NAME=VALUE` selects the jobs \
                          with this label; it may be given for several labels.").into(),
            parameters: vec![
                json!({
                    "name": OWNER_PARAMETER,
                    "in": "query",
                    "description": "The owner, who must be that of the token.",
                    "schema": { "type": "string", "maxLength": MAX_OWNER_BYTES },
                }),
                json!({
                    "name": STATUS_PARAMETER,
                    "in": "query",
                    "description": "The status of the jobs.",
                    "schema": {
                        "type": "string",
                        "enum": JobStatus::ALL.iter().map(|it| it.name()).collect::<Vec<_>>(),
                    },
                }),
                json!({
                    "name": CURSOR_PARAMETER,
                    "in": "query",
                    "description": "The `next_cursor` of the page before.",
                    "schema": { "type": "string" },
                }),
            ],
            takes: None,
            answers: vec![(200, answer::<JobsPage>("A page of jobs.", schemas))],
        },
        HttpRoute::GetJob => Facts {
            key: Key::Access,
            description: "The same snapshot as the reply to `request_status` of the WebSocket API."
                .into(),
            parameters: Vec::new(),
            takes: None,
            answers: vec![(200, answer::<JobSnapshot>("The current state of the job.", schemas))],
        },
        HttpRoute::GetEvents => Facts {
            key: Key::Access,
            description: "Watches a job without a WebSocket. The response contains the durable messages after \
                          `after_seq` and the snapshot of the job, which contains the progress. The \
                          snapshot is never older than the messages. Request the next messages after \
                          `retry_after` seconds, with `next_after_seq` as `after_seq`, until \
                          `retry_after` is null. An `after_seq` beyond the job's last message is \
                          answered as by `subscribe` of the WebSocket API: `recovered` is false.".into(),
            parameters: vec![json!({
                "name": AFTER_SEQ_PARAMETER,
                "in": "query",
                "description": "The `seq` of the last durable message that the client has.",
                "schema": { "type": "integer", "minimum": 0, "default": 0 },
            })],
            takes: None,
            answers: vec![(200, polled(schemas))],
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
        HttpRoute::GetArtifact => Facts {
            key: Key::Either,
            description: "The redirect leads to a URL without authorization, which is valid for 15 minutes; \
                          send no key there. The response has the media type of the artifact, and \
                          a `content-disposition` with its name, so that browsers save it. A \
                          `Range` header selects a part of a large one.".into(),
            parameters: vec![json!({
                "name": "name",
                "in": "path",
                "required": true,
                "description": "The name of the artifact.",
                "schema": {
                    "type": "string",
                    "maxLength": MAX_ARTIFACT_NAME_BYTES,
                    "pattern": "^[A-Za-z0-9_-][A-Za-z0-9._-]*$",
                },
                "example": "report.pdf",
            })],
            takes: None,
            answers: vec![(307, redirect())],
        },
        HttpRoute::GetUpload => Facts {
            key: Key::Access,
            description: "Send each part of `upload.parts` by an HTTP PUT of its bytes to its `url`, with \
                          exactly its `headers`, in any order and several at once. The bucket \
                          refuses a part of another size with 400 or 403, and a part with another \
                          SHA-256 with 400. A 412 means that the part is there already. An upload \
                          that was interrupted goes on with the parts that this route returns. At \
                          most 100 parts are returned; `next_after_part` is the `after_part` for \
                          the others.".into(),
            parameters: vec![json!({
                "name": AFTER_PART_PARAMETER,
                "in": "query",
                "description": "The number of a part: only later ones are returned.",
                "schema": { "type": "integer", "minimum": 0 },
            })],
            takes: None,
            answers: vec![(
                200,
                answer::<UploadState>(
                    "What is missing of the input, or the status of a job that has its input.",
                    schemas,
                ),
            )],
        },
        HttpRoute::CompleteUpload => Facts {
            key: Key::Access,
            description: "The parts are put together and their size is verified. For the pipeline, the \
                          first bytes have to be those of an accepted type; an input of at most 4 \
                          MB is checked like a body. An input that is not accepted fails the job \
                          with `invalid_input`. Repeat the request if its answer was lost: it is \
                          idempotent.".into(),
            parameters: Vec::new(),
            takes: None,
            answers: vec![(
                200,
                answer::<UploadState>("The job has its input and is queued.", schemas),
            )],
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
        HttpRoute::ClaimFromQueue => Facts {
            key: Key::Token,
            description: "Claims the job with the highest priority and, within it, the one that has waited for \
                          the longest time. The answer has a new `worker_key`, which authorizes the routes of \
                          the job; that of an earlier claim is answered with `lease_lost` from then on. If the \
                          answer is lost, the job can be claimed again when its lease of 30 seconds ends. The \
                          fourth claim without progress fails the job, and the next one is claimed.".into(),
            parameters: vec![json!({
                "name": "queue",
                "in": "path",
                "required": true,
                "description": "The queue.",
                "schema": { "type": "string", "maxLength": MAX_QUEUE_NAME_BYTES },
                "example": "transcripts",
            })],
            takes: Some(Body {
                required: false,
                ..json_body::<QueueClaimRequest>(schemas)
            }),
            answers: vec![
                (200, answer::<Claimed>("The worker has the lease of the job.", schemas)),
                (204, nothing_to_claim()),
            ],
        },
        HttpRoute::ReleaseJob => Facts {
            key: Key::Worker,
            description: "Ends the worker's claim without counting an attempt. The job can be claimed again at \
                          once or after `delay_seconds`. The request can be repeated while no other claim was \
                          made.".into(),
            parameters: Vec::new(),
            takes: Some(json_body::<ReleaseRequest>(schemas)),
            answers: vec![(200, answer::<Released>("The job has no worker any more.", schemas))],
        },
        HttpRoute::GetInput => Facts {
            key: Key::Worker,
            description: "The input of the job, with its media type. An input over 4 MB is answered with a \
                          redirect (307) to a URL without authorization; send no key there.".into(),
            parameters: Vec::new(),
            takes: None,
            answers: vec![(
                200,
                Response {
                    content: IndexMap::from([("*/*", json!({}))]),
                    ..json_answer("The input.", json!({}))
                },
            ), (307, redirect())],
        },
        HttpRoute::UploadArtifact => Facts {
            key: Key::Worker,
            description: "Send the content by an HTTP PUT to `url`, with exactly its `headers`. The bucket \
                          refuses a content of another size with 400 or 403, and one with another \
                          SHA-256 with 400. Nothing is recorded by this route: the artifact \
                          belongs to the job once the `artifacts` of a `stage_complete` or \
                          `job_complete` list it. Request and PUT can be repeated.".into(),
            parameters: Vec::new(),
            takes: Some(json_body::<ArtifactRequest>(schemas)),
            answers: vec![(
                200,
                answer::<ArtifactUpload>("Where the content is sent.", schemas),
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

/// The response of an empty queue.
fn nothing_to_claim() -> Response {
    let mut response = Response {
        content: IndexMap::new(),
        ..json_answer("No job waits in the queue.", json!({}))
    };
    response.headers.insert(
        "retry-after",
        json!({
            "description": "Seconds after which the claim should be repeated.",
            "schema": { "type": "integer", "minimum": 1 },
        }),
    );
    response.headers.insert(
        "websocket-url",
        json!({
            "description": "The URL of the WebSocket API, to connect and listen to the queue.",
            "schema": { "type": "string" },
        }),
    );
    response
}

/// The response with events. It has the header `retry-after` until the job has ended.
fn polled(schemas: &mut SchemaGenerator) -> Response {
    let mut response = answer::<EventsPage>("The events and the state of the job.", schemas);
    response.headers.insert(
        "retry-after",
        json!({
            "description": "`retry_after` of the body; absent if that is null.",
            "schema": { "type": "integer", "minimum": 0, "maximum": MAX_RETRY_AFTER_SECONDS },
        }),
    );
    response
}
