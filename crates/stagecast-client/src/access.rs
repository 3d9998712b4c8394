//! What opens a job: its access key, or tokens of its owner.

use http::Method;
use serde::{Deserialize, Serialize};
use stagecast_contract::ids::{AccessKey, JobId};

use crate::{error::Error, http::Request, tokens::Tokens};

/// The id of a job, and the key that authorizes watching and cancelling it. Store it where it is safe: it cannot be
/// requested again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobKey {
    /// The id.
    pub job_id: JobId,
    /// The key.
    pub access_key: AccessKey,
    /// The address of the WebSocket API. Without it, the job is watched over HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub websocket_url: Option<String>,
}

/// What opens a job.
#[derive(Clone, Debug)]
pub(crate) enum Access {
    Key(JobKey),
    Tokens {
        job_id: JobId,
        websocket_url: Option<String>,
        tokens: Tokens,
    },
}

impl Access {
    pub(crate) const fn job_id(&self) -> &JobId {
        match self {
            Self::Key(key) => &key.job_id,
            Self::Tokens { job_id, .. } => job_id,
        }
    }

    pub(crate) fn websocket_url(&self) -> Option<&String> {
        match self {
            Self::Key(key) => key.websocket_url.as_ref(),
            Self::Tokens { websocket_url, .. } => websocket_url.as_ref(),
        }
    }

    /// A request about the job, with its access key or a token.
    pub(crate) async fn request(&self, method: Method, path: &str) -> Result<Request, Error> {
        let target = format!("/v1/jobs/{}{path}", self.job_id().as_str());
        let request = Request::new(method, target);
        Ok(match self {
            Self::Key(key) => request.bearer(key.access_key.reveal()),
            Self::Tokens { tokens, .. } => request.bearer(&tokens.get().await?),
        })
    }
}
