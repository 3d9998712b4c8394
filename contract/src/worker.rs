//! What a worker of its own says to run a job, and what it is told. Such a worker is any program,
//! in any language, that holds a job's worker key.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    http::HttpErrorCode,
    ids::JobId,
    limits::{MAX_EVENTS, MAX_NAME_BYTES, MAX_STAGES, MAX_TEXT_BYTES},
    messages::{JobError, JobStatus, Results},
    timestamp::Timestamp,
};

/// What a name consists of: see [`check_name`].
#[cfg(feature = "schema")]
const NAME_PATTERN: &str = "^[A-Za-z0-9_-]+$";

/// The body of `POST /v1/jobs/{job_id}/claim`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClaimRequest {
    /// The stages that the worker runs, in their order. Each counts the same for the overall
    /// progress, unless the worker gives that itself. No name twice.
    #[cfg_attr(
        feature = "schema",
        schemars(
            length(min = 1, max = MAX_STAGES),
            inner(length(min = 1, max = MAX_NAME_BYTES), regex(pattern = NAME_PATTERN))
        )
    )]
    pub stages: Vec<String>,
    /// The worker's own name, if it has one that no other worker has. It gets its job back at once
    /// with it, after a restart or a lost answer, instead of waiting for its lease to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(length(min = 1, max = MAX_NAME_BYTES), regex(pattern = NAME_PATTERN))
    )]
    pub worker_id: Option<String>,
}

/// The answer to `POST /v1/jobs/{job_id}/claim`: the job is the worker's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Claimed {
    /// The job.
    pub job_id: JobId,
    /// The number of this claim. Every post carries it; a later claim ends its validity.
    pub epoch: u64,
    /// The `seq` of the job's last durable message: `after_seq` of the first post.
    pub seq: u64,
    /// Whether someone has asked the job to stop: post `job_cancelled`.
    pub cancel_requested: bool,
    /// The media type of the input.
    pub content_type: String,
    /// Until when the job is the worker's. Every post that tells something new renews it.
    pub lease_expires_at: Timestamp,
    /// The stages that an earlier worker has finished, in their order, with their results or, when
    /// they are large, with their address: the worker key opens it. They cannot be run again.
    pub finished: Vec<FinishedStage>,
}

/// A stage that has finished.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FinishedStage {
    /// The stage.
    pub stage: String,
    /// What it found.
    #[serde(flatten)]
    pub results: Results,
}

/// The body of `POST /v1/jobs/{job_id}/events`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventsRequest {
    /// The number of the worker's claim.
    pub epoch: u64,
    /// The `seq` of the last answer. It says where the events belong, so that the same post, sent
    /// again because its answer was lost, changes nothing.
    pub after_seq: u64,
    /// What happened, in its order.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = MAX_EVENTS)))]
    pub events: Vec<WorkerEvent>,
}

/// Something that happened to a job. `type` selects the variant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum WorkerEvent {
    /// How far a running stage is. Only the latest counts.
    ProgressUpdate(WorkerProgress),
    /// A stage has finished. Durable.
    StageComplete(WorkerStageComplete),
    /// The job is done, whether all its stages have run or not; its results are those of the stage
    /// that has finished last. Durable, the last event of the job.
    JobComplete {},
    /// The job has failed. Durable, the last event of the job.
    JobFailed(WorkerFailure),
    /// The job has stopped because someone has asked it to. Durable, the last event of the job.
    JobCancelled(WorkerCancellation),
}

/// How far a running stage is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WorkerProgress {
    /// The running stage, one of those that the claim named.
    pub stage: String,
    /// Percent of the stage, 0 to 100. Less than before counts as what was before, within one claim.
    /// To start a stage again, or to correct a percentage, claim the job again: that is the next
    /// attempt at the stage.
    #[cfg_attr(feature = "schema", schemars(range(max = 100)))]
    pub progress: u8,
    /// What the stage is doing, for a person.
    #[cfg_attr(feature = "schema", schemars(length(max = MAX_TEXT_BYTES)))]
    pub message: String,
    /// Percent of the whole job, if the worker knows better than that all stages count the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(max = 100)))]
    pub overall_progress: Option<u8>,
    /// Seconds until the job ends, if the worker knows; else they are estimated from its progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_seconds_remaining: Option<u64>,
}

/// A stage has finished.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WorkerStageComplete {
    /// The stage, one of those that the claim named, and not finished yet.
    pub stage: String,
    /// What the stage found; any JSON.
    pub results: Value,
}

/// The job has failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WorkerFailure {
    /// Why.
    pub error: JobError,
    /// The stage that was running, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
}

/// The job has stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WorkerCancellation {
    /// The stage that was running, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
}

/// The answer to `POST /v1/jobs/{job_id}/events`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventsAccepted {
    /// The job.
    pub job_id: JobId,
    /// The `seq` of the job's last durable message: `after_seq` of the next post.
    pub seq: u64,
    /// Where the job is in its life.
    pub status: JobStatus,
    /// Whether someone has asked the job to stop: post `job_cancelled`.
    pub cancel_requested: bool,
    /// Until when the job is the worker's. Every post that tells something new renews it.
    pub lease_expires_at: Timestamp,
}

/// Why a worker's body cannot be taken.
#[derive(Clone, Debug, thiserror::Error, PartialEq)]
#[error("{message}")]
pub struct InvalidBody {
    /// The code.
    pub code: HttpErrorCode,
    /// What is wrong and the way out, for a person.
    pub message: String,
    /// Where it helps: the field, what is known.
    pub details: Value,
}

/// The types of [`WorkerEvent`], as they stand in an event.
pub const EVENT_TYPES: &[&str] = &[
    "progress_update",
    "stage_complete",
    "job_complete",
    "job_failed",
    "job_cancelled",
];

impl InvalidBody {
    fn field(field: impl Into<String>, problem: impl std::fmt::Display) -> Self {
        let field = field.into();
        Self {
            code: HttpErrorCode::InvalidBody,
            message: format!("`{field}`: {problem}"),
            details: json!({ "field": field }),
        }
    }
}

impl ClaimRequest {
    /// Reads a body. Unknown fields are ignored; everything else that is wrong is named.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidBody> {
        let claim: Self = read(body, r#"{"stages":["count","draw"]}"#)?;
        if claim.stages.is_empty() || claim.stages.len() > MAX_STAGES {
            let problem = format!(
                "{} stages; name 1 to {MAX_STAGES} that the worker runs",
                claim.stages.len()
            );
            return Err(InvalidBody::field("stages", problem));
        }
        for (index, stage) in claim.stages.iter().enumerate() {
            check_name(&format!("stages[{index}]"), stage)?;
            if claim.stages[..index].contains(stage) {
                let problem = format!("'{stage}' is there twice; give each stage its own name");
                return Err(InvalidBody::field(format!("stages[{index}]"), problem));
            }
        }
        if let Some(worker_id) = &claim.worker_id {
            check_name("worker_id", worker_id)?;
        }
        Ok(claim)
    }
}

impl EventsRequest {
    /// Reads a body. Unknown fields are ignored; everything else that is wrong is named.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidBody> {
        const EXAMPLE: &str = r#"{"epoch":1,"after_seq":0,"events":[{"type":"job_complete"}]}"#;
        let fields: Value = json_of(body, EXAMPLE)?;
        for (index, event) in fields["events"]
            .as_array()
            .into_iter()
            .flatten()
            .enumerate()
        {
            if let Some(kind) = event["type"].as_str()
                && !EVENT_TYPES.contains(&kind)
            {
                let kind: String = kind.chars().take(MAX_NAME_BYTES).collect();
                return Err(InvalidBody {
                    code: HttpErrorCode::UnknownType,
                    message: format!(
                        "`events[{index}].type`: there is no event type '{kind}'; use one of {}",
                        EVENT_TYPES.join(", ")
                    ),
                    details: json!({ "field": format!("events[{index}].type"), "type": kind }),
                });
            }
        }
        let request: Self = from_json(fields, EXAMPLE)?;
        if request.events.is_empty() || request.events.len() > MAX_EVENTS {
            let problem = format!(
                "{} events; send 1 to {MAX_EVENTS} at a time",
                request.events.len()
            );
            return Err(InvalidBody::field("events", problem));
        }
        for (index, event) in request.events.iter().enumerate() {
            event.check(&format!("events[{index}]"))?;
            if event.ends_the_job() && index + 1 < request.events.len() {
                let problem = "nothing can happen to the job after this; make it the last event";
                return Err(InvalidBody::field(format!("events[{index}]"), problem));
            }
        }
        Ok(request)
    }
}

impl WorkerEvent {
    /// Whether the event is logged, and takes the next `seq`.
    pub const fn is_durable(&self) -> bool {
        !matches!(self, Self::ProgressUpdate(_))
    }

    /// Whether the job ends with it.
    pub const fn ends_the_job(&self) -> bool {
        matches!(
            self,
            Self::JobComplete {} | Self::JobFailed(_) | Self::JobCancelled(_)
        )
    }

    /// The stage that the event is about.
    pub fn stage(&self) -> Option<&str> {
        match self {
            Self::ProgressUpdate(progress) => Some(&progress.stage),
            Self::StageComplete(complete) => Some(&complete.stage),
            Self::JobComplete {} => None,
            Self::JobFailed(failure) => failure.stage.as_deref(),
            Self::JobCancelled(cancellation) => cancellation.stage.as_deref(),
        }
    }

    fn check(&self, path: &str) -> Result<(), InvalidBody> {
        match self {
            Self::ProgressUpdate(update) => {
                check_percent(&format!("{path}.progress"), update.progress)?;
                if let Some(overall) = update.overall_progress {
                    check_percent(&format!("{path}.overall_progress"), overall)?;
                }
                check_text(&format!("{path}.message"), &update.message)
            }
            Self::JobFailed(failure) => {
                check_name(&format!("{path}.error.code"), &failure.error.code)?;
                check_text(&format!("{path}.error.message"), &failure.error.message)
            }
            Self::StageComplete(_) | Self::JobComplete {} | Self::JobCancelled(_) => Ok(()),
        }
    }
}

fn read<T: for<'de> Deserialize<'de>>(body: &[u8], example: &str) -> Result<T, InvalidBody> {
    from_json(json_of(body, example)?, example)
}

fn json_of(body: &[u8], example: &str) -> Result<Value, InvalidBody> {
    serde_json::from_slice(body).map_err(|error| InvalidBody {
        code: HttpErrorCode::InvalidJson,
        message: format!("the body is not JSON: {error}; send an object like {example}"),
        details: Value::Null,
    })
}

fn from_json<T: for<'de> Deserialize<'de>>(value: Value, example: &str) -> Result<T, InvalidBody> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let cause = error.into_inner();
        if path == "." {
            InvalidBody {
                code: HttpErrorCode::InvalidBody,
                message: format!("{cause}; send an object like {example}"),
                details: Value::Null,
            }
        } else {
            InvalidBody::field(path, cause)
        }
    })
}

/// Names stand in addresses, in the bucket's keys and in logs.
fn check_name(field: &str, name: &str) -> Result<(), InvalidBody> {
    let is_name = !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if is_name {
        return Ok(());
    }
    let short: String = name.chars().take(MAX_NAME_BYTES).collect();
    let problem =
        format!("'{short}' is no name; use 1 to {MAX_NAME_BYTES} letters, digits, '_' and '-'");
    Err(InvalidBody::field(field, problem))
}

fn check_text(field: &str, text: &str) -> Result<(), InvalidBody> {
    if text.len() <= MAX_TEXT_BYTES {
        return Ok(());
    }
    let problem = format!("{} bytes; send at most {MAX_TEXT_BYTES}", text.len());
    Err(InvalidBody::field(field, problem))
}

fn check_percent(field: &str, percent: u8) -> Result<(), InvalidBody> {
    if percent <= 100 {
        return Ok(());
    }
    let problem = format!("{percent} is no percentage; send a whole number from 0 to 100");
    Err(InvalidBody::field(field, problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: &str) -> InvalidBody {
        EventsRequest::parse(body.as_bytes()).expect_err("a refusal")
    }

    fn with_event(event: &str) -> String {
        format!(r#"{{"epoch":1,"after_seq":0,"events":[{event}]}}"#)
    }

    #[test]
    fn every_type_of_event_is_read_and_known_by_its_name() {
        let events = [
            r#"{"type":"progress_update","stage":"count","progress":50,"message":"Counting..."}"#,
            r#"{"type":"stage_complete","stage":"count","results":{"words":3}}"#,
            r#"{"type":"job_complete"}"#,
            r#"{"type":"job_failed","error":{"code":"no_words","message":"None."}}"#,
            r#"{"type":"job_cancelled","stage":"count"}"#,
        ];
        for (event, kind) in events.iter().zip(EVENT_TYPES) {
            let request = EventsRequest::parse(with_event(event).as_bytes()).expect("an event");
            let written = serde_json::to_value(&request.events[0]).expect("JSON");
            assert_eq!(written["type"], *kind);
        }
    }

    #[test]
    fn what_is_wrong_with_a_body_is_named_by_its_field() {
        assert_eq!(refusal("hello").code, HttpErrorCode::InvalidJson);
        assert_eq!(refusal("[]").code, HttpErrorCode::InvalidBody);
        assert_eq!(refusal(&with_event("")).details["field"], "events");
        let unknown = refusal(&with_event(r#"{"type":"stage_done"}"#));
        assert_eq!(unknown.code, HttpErrorCode::UnknownType);
        assert!(unknown.message.contains("stage_complete"), "{unknown}");
        let cases = [
            (
                r#"{"type":"progress_update","stage":"a","progress":101,"message":""}"#,
                "101",
            ),
            (
                r#"{"type":"progress_update","stage":"a","progress":-1,"message":""}"#,
                "-1",
            ),
            (
                r#"{"type":"progress_update","stage":"a","progress":0.5,"message":""}"#,
                "0.5",
            ),
            (
                r#"{"type":"progress_update","stage":"a","progress":"5","message":""}"#,
                "u8",
            ),
            (
                r#"{"type":"progress_update","stage":"a","progress":5}"#,
                "message",
            ),
            (
                r#"{"type":"job_failed","error":{"code":"a b","message":""}}"#,
                "'a b'",
            ),
            (
                r#"{"type":"job_complete"},{"type":"job_complete"}"#,
                "the last",
            ),
        ];
        for (event, part) in cases {
            let refused = refusal(&with_event(event));
            assert_eq!(refused.code, HttpErrorCode::InvalidBody, "{event}");
            assert!(refused.message.contains(part), "{refused}");
        }
        let long = format!(
            r#"{{"type":"progress_update","stage":"a","progress":1,"message":"{}"}}"#,
            "x".repeat(MAX_TEXT_BYTES + 1)
        );
        assert_eq!(
            refusal(&with_event(&long)).details["field"],
            "events[0].message"
        );
    }

    #[test]
    fn a_claim_names_stages_that_can_stand_in_an_address() {
        let claim = ClaimRequest::parse(br#"{"stages":["count","draw"],"worker_id":"a-1"}"#);
        assert_eq!(claim.expect("a claim").stages, ["count", "draw"]);
        for body in [
            r#"{"stages":[]}"#,
            r#"{"stages":["a","a"]}"#,
            r#"{"stages":["a/b"]}"#,
            r#"{"stages":[""]}"#,
            r#"{"stages":["a"],"worker_id":"a b"}"#,
            "{}",
        ] {
            let refused = ClaimRequest::parse(body.as_bytes()).expect_err("a refusal");
            assert_eq!(refused.code, HttpErrorCode::InvalidBody, "{body}");
        }
    }
}
