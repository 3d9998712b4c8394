//! Claims from a queue, and the release of a claim.

use serde::{Deserialize, Serialize};

use super::body::{self, InvalidBody};
use crate::{
    ids::JobId,
    limits::{MAX_LISTENER_ID_BYTES, MAX_RELEASE_DELAY_SECONDS},
    messages::JobStatus,
    reading,
};
#[cfg(feature = "schema")]
use crate::{
    limits::{MAX_NAME_BYTES, MAX_STAGES},
    worker::NAME_PATTERN,
};

/// The body of `POST /v1/queues/{queue}/claim`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct QueueClaimRequest {
    /// The stages that the worker runs, in their order, without duplicates. If absent or empty, the worker names
    /// each stage with its first event: up to 50, and the overall progress assumes that one more follows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(
        feature = "schema",
        schemars(
            length(max = MAX_STAGES),
            inner(length(min = 1, max = MAX_NAME_BYTES), regex(pattern = NAME_PATTERN))
        )
    )]
    pub stages: Vec<String>,
    /// A name that identifies this worker uniquely, for the operator. It does not reclaim a job: an idle worker
    /// claims a job that another one does not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(length(min = 1, max = MAX_NAME_BYTES), regex(pattern = NAME_PATTERN))
    )]
    pub worker_id: Option<String>,
    /// The `listener` of the worker's connection to the WebSocket API, of this queue. If the queue is empty, the claim
    /// requests `job_available` for it; a claim that returns a job withdraws that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(length(min = 1, max = MAX_LISTENER_ID_BYTES))
    )]
    pub listener: Option<String>,
}

impl QueueClaimRequest {
    /// Parses a body; an empty one has no fields. Unknown fields are ignored; every other fault is an error that
    /// names the field.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidBody> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        let claim: Self = body::object(body, r#"{"worker_id":"gpu-1"}"#)?;
        body::check_stages(&claim.stages)?;
        body::check_worker_id(claim.worker_id.as_deref())?;
        check_listener(claim.listener.as_deref())?;
        Ok(claim)
    }
}

fn check_listener(listener: Option<&str>) -> Result<(), InvalidBody> {
    match listener.map(str::len) {
        None | Some(1..=MAX_LISTENER_ID_BYTES) => Ok(()),
        Some(bytes) => Err(InvalidBody::field(
            "listener",
            format!("must be the `listener` of a `listening` reply; it has {bytes} bytes"),
        )),
    }
}

/// The body of `POST /v1/jobs/{job_id}/release`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReleaseRequest {
    /// The `epoch` of the worker's claim.
    #[serde(deserialize_with = "reading::whole_number")]
    pub epoch: u64,
    /// Seconds until the job can be claimed again, at most 900; 0 if absent.
    #[serde(default, deserialize_with = "delay")]
    #[cfg_attr(feature = "schema", schemars(range(max = MAX_RELEASE_DELAY_SECONDS)))]
    pub delay_seconds: u64,
}

impl ReleaseRequest {
    /// Parses a body. Unknown fields are ignored; every other fault is an error that names the field.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidBody> {
        body::object(body, r#"{"epoch":1,"delay_seconds":60}"#)
    }
}

fn delay<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let delay = reading::optional::<MAX_RELEASE_DELAY_SECONDS, _>(deserializer)?;
    Ok(delay.unwrap_or(0))
}

/// The response to `POST /v1/jobs/{job_id}/release`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Released {
    /// The job.
    pub job_id: JobId,
    /// `queued`, or `cancelled` if the cancellation of the job was requested.
    pub status: JobStatus,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claim_needs_no_field_and_no_body() {
        for body in ["", "{}", r#"{"stages":[],"worker_id":null}"#] {
            let claim = QueueClaimRequest::parse(body.as_bytes()).expect(body);
            assert_eq!(claim, QueueClaimRequest::default(), "{body}");
        }
    }

    #[test]
    fn invalid_field_of_a_claim_is_named() {
        let stages = format!("{:?}", (0..51).map(|it| it.to_string()).collect::<Vec<_>>());
        for (body, field) in [
            (format!(r#"{{"stages":{stages}}}"#), "stages"),
            (r#"{"stages":["a","a"]}"#.to_owned(), "stages[1]"),
            (r#"{"stages":["a b"]}"#.to_owned(), "stages[0]"),
            (r#"{"worker_id":""}"#.to_owned(), "worker_id"),
            (r#"{"listener":""}"#.to_owned(), "listener"),
            (
                format!(r#"{{"listener":"{}"}}"#, "a".repeat(129)),
                "listener",
            ),
        ] {
            let invalid = QueueClaimRequest::parse(body.as_bytes()).expect_err(&body);
            assert_eq!(invalid.details["field"], field, "{body}");
        }
    }

    #[test]
    fn release_has_a_delay_of_at_most_fifteen_minutes() {
        let delay = |fields: &str| {
            let body = format!(r#"{{"epoch":1{fields}}}"#);
            ReleaseRequest::parse(body.as_bytes()).map(|release| release.delay_seconds)
        };
        assert_eq!(delay(""), Ok(0));
        assert_eq!(delay(r#","delay_seconds":null"#), Ok(0));
        assert_eq!(delay(r#","delay_seconds":900"#), Ok(900));
        for wrong in ["901", "-1", "1.5", "\"1\""] {
            let invalid = delay(&format!(r#","delay_seconds":{wrong}"#)).expect_err(wrong);
            assert_eq!(invalid.details["field"], "delay_seconds", "{wrong}");
        }
        let invalid = ReleaseRequest::parse(b"{}").expect_err("no epoch");
        assert_eq!(invalid.details["field"], "epoch");
    }
}
