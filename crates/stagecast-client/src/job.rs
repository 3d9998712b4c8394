//! A job of a client: its state, its results and its end.

use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use raw_json::RawJson;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use stagecast_contract::{
    ids::{AccessKey, JobId, WorkerKey},
    messages::{JobError, JobSnapshot},
};

use crate::{
    download::Artifact,
    error::Error,
    http::{HttpClient, Request},
    message::JobMessage,
    protocol::WatchSettings,
    watch::Watch,
};

/// What a segment of a path may contain unchanged.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'_').remove(b'-');

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

/// A job. Clones are the same job.
#[derive(Clone, Debug)]
pub struct Job {
    http: HttpClient,
    key: JobKey,
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
    pub(crate) fn new(http: HttpClient, key: JobKey, worker_key: Option<WorkerKey>) -> Self {
        Self {
            http,
            key,
            worker_key,
        }
    }

    pub(crate) fn http(&self) -> &HttpClient {
        &self.http
    }

    /// The id of the job.
    pub fn id(&self) -> &JobId {
        &self.key.job_id
    }

    /// The id and the access key, with which [`Client::job`](crate::Client::job) finds the job again.
    pub fn key(&self) -> &JobKey {
        &self.key
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
        let JobKey {
            job_id,
            access_key,
            websocket_url,
        } = self.key.clone();
        let settings = WatchSettings {
            job_id,
            access_key,
            after_seq: seq,
            has_websocket: websocket_url.is_some(),
            seed: fastrand::u64(..),
        };
        Watch::start(self.http.clone(), websocket_url, settings)
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
        let request = self.request(Method::GET, "");
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
        let request = self.request(Method::GET, path);
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
        let request = self.request(Method::GET, &format!("/artifacts/{name}"));
        Ok(Artifact::new(self.http.download(request).await?))
    }

    /// Requests the cancellation of the job, which ends with `job_cancelled` when its stage next checks. Does
    /// nothing if the job has ended.
    ///
    /// # Errors
    ///
    /// The key is wrong, or the service cannot be reached.
    pub async fn cancel(&self) -> Result<(), Error> {
        let request = self.request(Method::DELETE, "");
        match self.http.send_with_retries(request).await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("job_already_finished") => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn request(&self, method: Method, path: &str) -> Request {
        request(&self.key, method, path)
    }
}

/// A request about a job, authorized by its access key.
pub(crate) fn request(key: &JobKey, method: Method, path: &str) -> Request {
    let target = format!("/v1/jobs/{}{path}", key.job_id.as_str());
    Request::new(method, target).bearer(key.access_key.reveal())
}

fn read<T: DeserializeOwned>(results: &RawJson) -> Result<T, Error> {
    results.read().map_err(|error| unreadable(&error))
}

fn unreadable(error: &impl ToString) -> Error {
    Error::UnreadableResults {
        cause: error.to_string(),
    }
}
