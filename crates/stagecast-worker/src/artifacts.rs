//! The artifacts that the events of a post list.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use stagecast_contract::{
    http::HttpErrorCode, limits::MAX_ARTIFACTS, messages::Artifact, worker::WorkerEvent,
};
use stagecast_core::{http::ApiError, models::Job};

use crate::context::Context;

/// The number of artifacts whose size is read from the bucket at once.
const AT_ONCE: usize = 16;

/// Checks, before an event of a post is applied, that the artifacts of all of them are uploaded, and that the
/// job does not have too many with them.
pub(crate) async fn check(
    context: &Context,
    job: &Job,
    new_events: &[WorkerEvent],
) -> Result<(), ApiError> {
    let listed = || new_events.iter().flat_map(WorkerEvent::artifacts);
    if listed().next().is_none() {
        return Ok(());
    }
    let mut artifacts = context.stores.artifacts.load(job).await?;
    for event in new_events {
        let changed = artifacts.with_listed(event.stage(), event.artifacts());
        match changed {
            Ok(Some(changed)) => artifacts = changed,
            Ok(None) => {}
            Err(too_many) => return Err(too_many_artifacts(job, too_many)),
        }
    }
    // One content may have several names.
    let contents: BTreeMap<&str, &Artifact> = listed()
        .map(|artifact| (artifact.sha256.as_str(), artifact))
        .collect();
    let sizes: BTreeMap<&str, Option<u64>> = stream::iter(contents.into_keys())
        .map(async |sha256| {
            let size = context.artifact_contents.size(&job.job_id, sha256).await?;
            Ok::<_, ApiError>((sha256, size))
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    for artifact in listed() {
        let size = sizes.get(artifact.sha256.as_str()).copied().flatten();
        if size != Some(artifact.size) {
            return Err(not_uploaded(job, artifact, size));
        }
    }
    Ok(())
}

/// A post would give the job more artifacts than it may have.
pub(crate) fn too_many_artifacts(job: &Job, error: impl std::fmt::Display) -> ApiError {
    ApiError::new(HttpErrorCode::TooManyArtifacts, error.to_string())
        .with("max_artifacts", MAX_ARTIFACTS)
        .with("seq", job.seq)
}

fn not_uploaded(job: &Job, artifact: &Artifact, size: Option<u64>) -> ApiError {
    let Artifact { name, sha256, .. } = artifact;
    let found = match size {
        Some(size) => format!("has {size} bytes, and the event says {}", artifact.size),
        None => "is not in the bucket".to_owned(),
    };
    let message = format!(
        "the content of the artifact '{name}' with the SHA-256 {sha256} {found}; upload it with \
         POST /v1/jobs/{}/artifacts, then repeat this post",
        job.job_id
    );
    ApiError::new(HttpErrorCode::ArtifactNotUploaded, message)
        .with("name", name.as_str())
        .with("seq", job.seq)
}
