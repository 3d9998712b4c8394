//! The contents of artifacts, as stages upload them to the bucket, on their own threads and runtime.

use std::sync::Arc;

use aws_sdk_s3::{
    error::{DisplayErrorContext, SdkError},
    primitives::ByteStream,
    types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream::FuturesOrdered};
use granted_aws::Objects;
use sha2::{Digest as _, Sha256};
use stage_pipeline::{
    Artifact, ArtifactError,
    host::{ArtifactReader, ArtifactStore, StoreArtifact},
};
use stagecast_contract::{
    buckets::{self, artifact_key},
    ids::JobId,
    limits::{MAX_ARTIFACT_BYTES, MAX_ARTIFACTS, MAX_CONTENT_TYPE_BYTES, MAX_SINGLE_UPLOAD_BYTES},
};
use typed_contract::{
    functions::Function,
    grants::{Granted, PutObject},
};

use crate::{
    hash::{from_hex, hex},
    retry::RetryPolicy,
};

/// Size of each part of a multipart upload except the last one, in bytes.
const PART_BYTES: usize = 16 * 1024 * 1024;
const _: () = assert!(MAX_ARTIFACT_BYTES.div_ceil(PART_BYTES as u64) <= MAX_PARTS as u64);

/// The most parts of a multipart upload: S3's limit.
const MAX_PARTS: i32 = 10_000;

/// The number of parts that are uploaded at once. They and the next one are in memory: 80 MiB.
const PARTS_AT_ONCE: usize = 4;

// Stages can attach what messages can list.
const _: () = {
    assert!(stage_pipeline::MAX_ARTIFACTS == MAX_ARTIFACTS);
    assert!(stage_pipeline::MAX_ARTIFACT_BYTES <= MAX_ARTIFACT_BYTES);
    assert!(stage_pipeline::MAX_ARTIFACT_TYPE_BYTES <= MAX_CONTENT_TYPE_BYTES);
};

/// The bucket as the place for the artifacts of one job.
pub(super) struct ArtifactUploads<F> {
    objects: Arc<Objects<F>>,
    job_id: JobId,
}

impl<F: Function + Granted<PutObject<buckets::Objects>>> ArtifactUploads<F> {
    pub(super) fn new(objects: Arc<Objects<F>>, job_id: JobId) -> Self {
        Self { objects, job_id }
    }

    async fn upload(
        &self,
        artifact: &Artifact,
        content: &mut ArtifactReader,
    ) -> Result<(), ArtifactError> {
        let is_single =
            usize::try_from(artifact.size).is_ok_and(|it| it <= MAX_SINGLE_UPLOAD_BYTES);
        if is_single {
            self.put(artifact, content).await
        } else {
            self.put_parts(artifact, content).await
        }
    }

    fn key(&self, artifact: &Artifact) -> String {
        artifact_key(&self.job_id, &artifact.sha256)
    }

    /// Uploads the content with one request. The bucket verifies its SHA-256.
    async fn put(
        &self,
        artifact: &Artifact,
        content: &mut ArtifactReader,
    ) -> Result<(), ArtifactError> {
        // One byte more, which a file may have since.
        let bytes = content.next(MAX_SINGLE_UPLOAD_BYTES + 1).await?;
        check_unchanged(artifact, Sha256::digest(&bytes).as_slice())?;
        let sha256 = from_hex(&artifact.sha256).map(|bytes| BASE64_STANDARD.encode(bytes));
        retried(artifact, || {
            self.objects
                .put_object::<buckets::Objects>()
                .key(self.key(artifact))
                .content_type(&artifact.content_type)
                .set_checksum_sha256(sha256.clone())
                .body(ByteStream::from(bytes.clone()))
                .send()
        })
        .await?;
        Ok(())
    }

    /// Uploads the content in parts. What was uploaded of a content that cannot be completed is deleted by
    /// the bucket's lifecycle rule.
    async fn put_parts(
        &self,
        artifact: &Artifact,
        content: &mut ArtifactReader,
    ) -> Result<(), ArtifactError> {
        let not_stored = |cause: &str| ArtifactError::NotStored {
            name: artifact.name.clone(),
            cause: cause.to_owned(),
        };
        let key = self.key(artifact);
        let created = retried(artifact, || {
            self.objects
                .create_multipart_upload::<buckets::Objects>()
                .key(&key)
                .content_type(&artifact.content_type)
                .checksum_algorithm(ChecksumAlgorithm::Crc32)
                .send()
        })
        .await?;
        let upload_id = created
            .upload_id
            .ok_or_else(|| not_stored("the response of S3 has no UploadId"))?;
        let (key, upload_id) = (key.as_str(), upload_id.as_str());
        let mut sha256 = Sha256::new();
        let (mut parts, mut uploading) = (Vec::new(), FuturesOrdered::new());
        for number in 1..=MAX_PARTS {
            let bytes = content.next(PART_BYTES).await?;
            if bytes.is_empty() {
                break;
            }
            sha256.update(&bytes);
            if uploading.len() == PARTS_AT_ONCE
                && let Some(part) = uploading.next().await
            {
                parts.push(part?);
            }
            uploading.push_back(self.put_part(artifact, key, upload_id, number, bytes));
        }
        while let Some(part) = uploading.next().await {
            parts.push(part?);
        }
        check_unchanged(artifact, sha256.finalize().as_slice())?;
        let completed = CompletedMultipartUpload::builder()
            .set_parts(Some(parts))
            .build();
        retried(artifact, || {
            self.objects
                .complete_multipart_upload::<buckets::Objects>()
                .key(key)
                .upload_id(upload_id)
                .multipart_upload(completed.clone())
                .send()
        })
        .await?;
        Ok(())
    }

    async fn put_part(
        &self,
        artifact: &Artifact,
        key: &str,
        upload_id: &str,
        number: i32,
        bytes: Bytes,
    ) -> Result<CompletedPart, ArtifactError> {
        let uploaded = retried(artifact, || {
            self.objects
                .upload_part::<buckets::Objects>()
                .key(key)
                .upload_id(upload_id)
                .part_number(number)
                .checksum_algorithm(ChecksumAlgorithm::Crc32)
                .body(ByteStream::from(bytes.clone()))
                .send()
        })
        .await?;
        Ok(CompletedPart::builder()
            .part_number(number)
            .set_e_tag(uploaded.e_tag)
            // S3 requires the checksums of an upload that was created with their algorithm.
            .set_checksum_crc32(uploaded.checksum_crc32)
            .build())
    }
}

impl<F: Function + Granted<PutObject<buckets::Objects>>> ArtifactStore for ArtifactUploads<F> {
    fn store<'a>(
        &'a self,
        artifact: &'a Artifact,
        content: &'a mut ArtifactReader,
    ) -> StoreArtifact<'a> {
        Box::pin(self.upload(artifact, content))
    }
}

/// Requires that the content has the SHA-256 that it had when it was described.
fn check_unchanged(artifact: &Artifact, sha256: &[u8]) -> Result<(), ArtifactError> {
    if hex(sha256) == artifact.sha256 {
        return Ok(());
    }
    Err(ArtifactError::Changed {
        name: artifact.name.clone(),
    })
}

/// Calls the bucket, with retries while it fails.
async fn retried<T, E, Call>(
    artifact: &Artifact,
    call: impl FnMut() -> Call,
) -> Result<T, ArtifactError>
where
    Call: Future<Output = Result<T, SdkError<E>>>,
    E: std::error::Error + Send + Sync + 'static,
{
    let is_transient = |error: &SdkError<E>| {
        let status = error.raw_response().map(|it| it.status().as_u16());
        status.is_none_or(|status| status >= 500 || status == 429)
    };
    let answer = RetryPolicy::DURABLE_MESSAGE.run(call, is_transient).await;
    answer.map_err(|error| ArtifactError::NotStored {
        name: artifact.name.clone(),
        cause: DisplayErrorContext(error).to_string(),
    })
}

#[cfg(test)]
mod tests {
    use stage_pipeline::ArtifactName;
    use stagecast_contract::messages::is_artifact_name;

    #[test]
    fn stages_and_messages_accept_the_same_names() {
        let longest = "x".repeat(128);
        let too_long = "x".repeat(129);
        for name in [
            "a",
            "A-1_b.tar.gz",
            &longest,
            &too_long,
            "",
            ".",
            ".a",
            "a/b",
            "a b",
            "é",
            "a\"",
        ] {
            let is_accepted = name.parse::<ArtifactName>().is_ok();
            assert_eq!(is_accepted, is_artifact_name(name), "{name}");
        }
    }
}
