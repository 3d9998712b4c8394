//! Claims of jobs, and their requests.

use std::{collections::BTreeMap, time::Duration};

use raw_json::RawJson;
use serde::{Deserialize, Serialize};
use stagecast_client::{
    Error, JobId, WorkerKey,
    http::{HttpClient, Request, Response},
};
use stagecast_contract::{ids::WorkerToken, messages::Artifact};

/// Time for the response to a claim or a release.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(12);
/// The wait after an empty claim if the service names none.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(5);

/// A job that this worker has claimed.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Claimed {
    /// The job.
    pub job_id: JobId,
    /// The number of this claim.
    pub epoch: u64,
    /// The `seq` of the job's last durable message.
    pub seq: u64,
    /// Whether a client has asked the job to stop.
    pub cancel_requested: bool,
    /// The media type of the input.
    pub content_type: String,
    /// The parameters of the job.
    #[serde(default)]
    pub parameters: Option<RawJson>,
    /// The labels of the job.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The stages that earlier claims have finished.
    #[serde(default)]
    pub finished: Vec<Finished>,
    /// The key of this claim, if the job was claimed from a queue.
    #[serde(default)]
    pub worker_key: Option<WorkerKey>,
    /// The URL of the WebSocket API, if the job was claimed from a queue.
    #[serde(default)]
    pub websocket_url: Option<String>,
    /// The number of the attempt at the job, from 1.
    #[serde(default)]
    pub attempt: Option<u32>,
    /// The last checkpoint of the unfinished stage.
    #[serde(default)]
    pub checkpoint: Option<ClaimedCheckpoint>,
    /// The files that the job has so far.
    #[serde(default)]
    pub artifacts: Vec<Artifact>,
}

/// A stage that an earlier claim has finished.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Finished {
    /// The stage.
    pub stage: String,
    /// Its results; `null` if they are large.
    #[serde(default = "RawJson::null")]
    pub results: RawJson,
    /// Where large results are, relative to the HTTP API.
    #[serde(default)]
    pub results_url: Option<String>,
}

/// The state from which a stage is continued.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct ClaimedCheckpoint {
    /// The stage.
    pub stage: String,
    /// Its state.
    pub state: RawJson,
}

/// The body of a claim.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ClaimBody<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) stages: &'a [String],
    pub(crate) worker_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) listener: Option<&'a str>,
}

/// The response to a claim from a queue.
#[derive(Debug)]
pub(crate) enum QueueClaim {
    Claimed(Box<Claimed>),
    /// Nothing to claim.
    Empty {
        /// The time after which the claim is repeated.
        retry_after: Duration,
        /// The URL of the WebSocket API.
        websocket_url: Option<String>,
    },
}

impl QueueClaim {
    /// The URL of the WebSocket API, if the service names it.
    pub(crate) fn websocket_url(&self) -> Option<&str> {
        match self {
            Self::Claimed(claimed) => claimed.websocket_url.as_deref(),
            Self::Empty { websocket_url, .. } => websocket_url.as_deref(),
        }
    }
}

/// Claims the next job of a queue, once.
pub(crate) async fn claim_from_queue(
    http: &HttpClient,
    queue: &str,
    token: &WorkerToken,
    body: &ClaimBody<'_>,
) -> Result<QueueClaim, Error> {
    let path = format!("/v1/queues/{queue}/claim");
    let response = post(http, path, token.reveal(), body).await?;
    if response.status == 204 {
        let websocket_url = response.headers.get("websocket-url");
        let websocket_url = websocket_url.and_then(|url| url.to_str().ok());
        return Ok(QueueClaim::Empty {
            retry_after: response.retry_after().unwrap_or(DEFAULT_RETRY_AFTER),
            websocket_url: websocket_url.map(str::to_owned),
        });
    }
    Ok(QueueClaim::Claimed(Box::new(response.json()?)))
}

/// Claims a job by its own key, once.
pub(crate) async fn claim_job(
    http: &HttpClient,
    job_id: &JobId,
    key: &WorkerKey,
    body: &ClaimBody<'_>,
) -> Result<Claimed, Error> {
    let path = format!("/v1/jobs/{}/claim", job_id.as_str());
    post(http, path, key.reveal(), body).await?.json()
}

/// Hands a job back, once. The attempt does not count, and the job can be claimed after `delay`.
pub(crate) async fn release(
    http: &HttpClient,
    job_id: &JobId,
    key: &WorkerKey,
    epoch: u64,
    delay: Duration,
) -> Result<(), Error> {
    #[derive(Serialize)]
    struct Body {
        epoch: u64,
        #[serde(skip_serializing_if = "is_zero")]
        delay_seconds: u64,
    }
    let body = Body {
        epoch,
        delay_seconds: delay.as_secs(),
    };
    let path = format!("/v1/jobs/{}/release", job_id.as_str());
    post(http, path, key.reveal(), &body).await.map(drop)
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(seconds: &u64) -> bool {
    *seconds == 0
}

async fn post(
    http: &HttpClient,
    path: String,
    key: &str,
    body: &impl Serialize,
) -> Result<Response, Error> {
    let body = serde_json::to_vec(body).map_err(|error| Error::Unwritable {
        what: "the request",
        cause: error.to_string(),
    })?;
    let request = Request::post(path, body).bearer(key);
    within(RESPONSE_TIMEOUT, http.base(), http.send(request)).await
}

/// The response, or an error after `limit`.
pub(crate) async fn within<T>(
    limit: Duration,
    url: &str,
    response: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let late = |_| Error::Unreachable {
        url: url.to_owned(),
        cause: format!("no response within {} s", limit.as_secs()),
    };
    tokio::time::timeout(limit, response).await.map_err(late)?
}
