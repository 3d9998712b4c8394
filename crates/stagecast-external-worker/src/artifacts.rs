//! The files that stages attach: their contents are uploaded to presigned URLs.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderName, Method};
use sha2::{Digest as _, Sha256};
use stage_pipeline::{
    Artifact, ArtifactError,
    host::{ArtifactReader, ArtifactStore, StoreArtifact},
};
use stagecast_client::{
    Backoff, Error, JobId, WorkerKey,
    http::{HttpClient, Request},
};
use stagecast_contract::{
    messages,
    worker::{ArtifactRequest, ArtifactUpload},
};
use tokio::sync::mpsc;

/// Bytes of a content that are read at once.
const CHUNK_BYTES: usize = 256 * 1024;
/// Attempts at an upload.
const ATTEMPTS: u32 = 6;

/// Uploads contents under a lease.
pub(crate) struct ArtifactUploads {
    http: HttpClient,
    job_id: JobId,
    key: WorkerKey,
    epoch: u64,
}

impl ArtifactUploads {
    /// The uploads of a claim. `http` has connections of the stages' runtime.
    pub(crate) fn new(http: HttpClient, job_id: JobId, key: WorkerKey, epoch: u64) -> Self {
        Self {
            http,
            job_id,
            key,
            epoch,
        }
    }

    async fn upload(
        &self,
        artifact: &Artifact,
        content: &mut ArtifactReader,
    ) -> Result<(), ArtifactError> {
        let mut attempt = 1;
        loop {
            let error = match self.upload_once(artifact, content).await? {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            // A 403 or 404 of the bucket: the URL has expired.
            let may_pass = error.is_transient()
                || (error.code().is_none() && matches!(error.status(), Some(403 | 404)));
            if !may_pass || attempt == ATTEMPTS {
                return Err(ArtifactError::NotStored {
                    name: artifact.name.clone(),
                    cause: error.to_string(),
                });
            }
            let wait: Duration = Backoff::REQUEST.wait(attempt, fastrand::f64());
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    /// The outer error is one of the content.
    async fn upload_once(
        &self,
        artifact: &Artifact,
        content: &mut ArtifactReader,
    ) -> Result<Result<(), Error>, ArtifactError> {
        let upload = match self.announce(artifact).await {
            Ok(upload) => upload,
            Err(error) => return Ok(Err(error)),
        };
        content.rewind().await?;
        let mut request = Request::new(Method::PUT, upload.url);
        for (name, value) in upload.headers {
            if let Ok(name) = name.parse::<HeaderName>() {
                request = request.header(name, value);
            }
        }
        let (chunks, received) = mpsc::channel::<Bytes>(2);
        let body = stream::unfold(received, |mut received| async move {
            let chunk = received.recv().await?;
            Some((Ok(chunk), received))
        });
        let put = self.http.send_stream(request, body);
        let mut put = Box::pin(put);
        let sent = tokio::select! {
            biased;
            // Before the whole content is sent, only a rejection ends the request.
            response = &mut put => return Ok(response.map(drop)),
            sent = send(artifact, content, chunks) => sent?,
        };
        let response = put.await.map(drop);
        if !sent {
            return Err(ArtifactError::Changed {
                name: artifact.name.clone(),
            });
        }
        Ok(response)
    }

    async fn announce(&self, artifact: &Artifact) -> Result<ArtifactUpload, Error> {
        let body = ArtifactRequest {
            epoch: self.epoch,
            artifact: described(artifact),
        };
        let body = serde_json::to_vec(&body).map_err(|error| Error::Unwritable {
            what: "the artifact",
            cause: error.to_string(),
        })?;
        let path = format!("/v1/jobs/{}/artifacts", self.job_id.as_str());
        let request = Request::post(path, body).bearer(self.key.reveal());
        self.http.send(request).await?.json()
    }
}

impl ArtifactStore for ArtifactUploads {
    fn store<'a>(
        &'a self,
        artifact: &'a Artifact,
        content: &'a mut ArtifactReader,
    ) -> StoreArtifact<'a> {
        Box::pin(self.upload(artifact, content))
    }
}

/// Sends the content. Returns whether it is what was described. The bucket refuses another one, too.
async fn send(
    artifact: &Artifact,
    content: &mut ArtifactReader,
    chunks: mpsc::Sender<Bytes>,
) -> Result<bool, ArtifactError> {
    let (mut left, mut sha256) = (artifact.size, Sha256::new());
    loop {
        let bytes = content.next(CHUNK_BYTES).await?;
        if bytes.is_empty() {
            break;
        }
        let Some(rest) = left.checked_sub(bytes.len() as u64) else {
            return Ok(false);
        };
        left = rest;
        sha256.update(&bytes);
        if chunks.send(bytes).await.is_err() {
            // The request has ended: its response says why.
            return Ok(true);
        }
    }
    let digest = sha256.finalize();
    let digits = digest.iter().map(|byte| format!("{byte:02x}"));
    Ok(left == 0 && digits.collect::<String>() == artifact.sha256)
}

/// The artifact as messages list it.
pub(crate) fn described(artifact: &Artifact) -> messages::Artifact {
    messages::Artifact {
        name: artifact.name.to_string(),
        content_type: artifact.content_type.clone(),
        size: artifact.size,
        sha256: artifact.sha256.clone(),
    }
}
