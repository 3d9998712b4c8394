//! A job of a client: its state, its results and its end.

use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use raw_json::RawJson;
use serde::de::DeserializeOwned;
use stagecast_contract::{
    ids::{JobId, WorkerKey},
    messages::{JobError, JobSnapshot},
};

use crate::{
    access::{Access, JobKey},
    download::Artifact,
    error::Error,
    http::HttpClient,
    message::JobMessage,
    protocol::{WatchAccess, WatchSettings},
    watch::Watch,
};

/// What a segment of a path may contain unchanged.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'_').remove(b'-');

/// A job. Clones are the same job.
#[derive(Clone, Debug)]
pub struct Job {
    http: HttpClient,
    access: Access,
    worker_key: Option<WorkerKey>,
}

/// How a job has ended.
#[derive(Clone, Debug, PartialEq)]
pub enum JobEnd<T> {
    /// With these results.
    Completed(T),
    /// A stage has failed, or a limit was exceeded.
    Failed(JobError),
    /// It was cancelled on request.
    Cancelled,
}

impl Job {
    pub(crate) fn new(http: HttpClient, access: Access, worker_key: Option<WorkerKey>) -> Self {
        Self {
            http,
            access,
            worker_key,
        }
    }

    pub(crate) fn http(&self) -> &HttpClient {
        &self.http
    }

    pub(crate) const fn access(&self) -> &Access {
        &self.access
    }

    /// The id of the job.
    pub fn id(&self) -> &JobId {
        self.access.job_id()
    }

    /// The id and the access key, with which [`Client::job`](crate::Client::job) finds the job again. None if the job was
    /// opened by a token.
    pub fn key(&self) -> Option<&JobKey> {
        match &self.access {
            Access::Key(key) => Some(key),
            Access::Tokens { .. } => None,
        }
    }

    /// Authorizes an external worker to run the job, if it was created
    /// [for one](crate::NewJob::for_external_worker).
    pub fn worker_key(&self) -> Option<&WorkerKey> {
        self.worker_key.as_ref()
    }

    /// Watches the job from its beginning to its end. Needs a tokio runtime.
    pub fn watch(&self) -> Watch {
        self.watch_after(0)
    }

    /// Watches the job from after its durable message `seq`: the last one that the program has stored.
    pub fn watch_after(&self, seq: u64) -> Watch {
        let websocket_url = self.access.websocket_url().cloned();
        let settings = WatchSettings {
            job_id: self.id().clone(),
            access: match &self.access {
                Access::Key(key) => WatchAccess::Key(key.access_key.clone()),
                Access::Tokens { tokens, .. } => WatchAccess::Tokens {
                    is_renewable: tokens.is_renewable(),
                },
            },
            after_seq: seq,
            has_websocket: websocket_url.is_some(),
            seed: fastrand::u64(..),
        };
        Watch::start(
            self.http.clone(),
            websocket_url,
            settings,
            self.access.clone(),
        )
    }

    /// Waits for the end of the job, and reads its results.
    ///
    /// # Errors
    ///
    /// The service rejects the watch, or the results cannot be read.
    pub async fn wait<T: DeserializeOwned>(&self) -> Result<JobEnd<T>, Error> {
        let mut watch = self.watch();
        while let Some(message) = watch.next().await {
            return Ok(match message? {
                JobMessage::Progress(_) | JobMessage::StageComplete(_) => continue,
                JobMessage::JobComplete(complete) if complete.results.results_url.is_none() => {
                    JobEnd::Completed(read(&complete.results.results)?)
                }
                JobMessage::JobComplete(_) => JobEnd::Completed(self.results().await?),
                JobMessage::JobFailed(failed) => JobEnd::Failed(failed.error),
                JobMessage::JobCancelled(_) => JobEnd::Cancelled,
            });
        }
        // A watch ends with one of the messages above, or with an error.
        Err(Error::UnexpectedResponse {
            url: self.http.base().to_owned(),
            cause: "the watch ended without the end of the job".to_owned(),
        })
    }

    /// The current state of the job.
    ///
    /// # Errors
    ///
    /// The key is wrong, or the service cannot be reached.
    pub async fn snapshot(&self) -> Result<JobSnapshot, Error> {
        let request = self.access.request(Method::GET, "").await?;
        self.http.send_with_retries(request).await?.json()
    }

    /// The results of the completed job.
    ///
    /// # Errors
    ///
    /// The code `no_results` while there are none; [`Error::UnreadableResults`] if they are of another type.
    pub async fn results<T: DeserializeOwned>(&self) -> Result<T, Error> {
        read(&self.results_at("/results").await?)
    }

    /// The results of a finished stage.
    ///
    /// # Errors
    ///
    /// The code `no_results` while there are none; [`Error::UnreadableResults`] if they are of another type.
    pub async fn stage_results<T: DeserializeOwned>(&self, stage: &str) -> Result<T, Error> {
        let stage = utf8_percent_encode(stage, SEGMENT);
        read(&self.results_at(&format!("/results?stage={stage}")).await?)
    }

    async fn results_at(&self, path: &str) -> Result<RawJson, Error> {
        let request = self.access.request(Method::GET, path).await?;
        let bytes = self.http.download(request).await?.bytes().await?;
        let text = String::from_utf8(bytes.into()).map_err(|error| unreadable(&error))?;
        RawJson::from_text(text).map_err(|error| unreadable(&error))
    }

    /// Opens a file of the job.
    ///
    /// # Errors
    ///
    /// The code `no_artifact` while there is none.
    pub async fn artifact(&self, name: &str) -> Result<Artifact, Error> {
        let name = utf8_percent_encode(name, SEGMENT);
        let path = format!("/artifacts/{name}");
        let request = self.access.request(Method::GET, &path).await?;
        Ok(Artifact::new(self.http.download(request).await?))
    }

    /// Requests the cancellation of the job, which ends with `job_cancelled` when its stage next checks. Does
    /// nothing if the job has ended.
    ///
    /// # Errors
    ///
    /// The key is wrong, or the service cannot be reached.
    pub async fn cancel(&self) -> Result<(), Error> {
        let request = self.access.request(Method::DELETE, "").await?;
        match self.http.send_with_retries(request).await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("job_already_finished") => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn read<T: DeserializeOwned>(results: &RawJson) -> Result<T, Error> {
    results.read().map_err(|error| unreadable(&error))
}

fn unreadable(error: &impl ToString) -> Error {
    Error::UnreadableResults {
        cause: error.to_string(),
    }
}
