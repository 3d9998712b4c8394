//! The uploads of inputs to the bucket: presigned URLs, the parts that are there, the completed object.

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_s3::{
    config::{Config, timeout::TimeoutConfig},
    error::{ProvideErrorMetadata, SdkError},
    presigning::{PresignedRequest, PresigningConfig},
    types::{CompletedMultipartUpload, CompletedPart},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use granted_aws::Objects;
use stagecast_contract::{
    buckets::{self, input_key},
    ids::JobId,
    limits::UPLOAD_URL_SECONDS,
};
use typed_contract::{
    functions::Function,
    grants::{AbortMultipartUpload, GetObject, Granted, ListParts, PutObject},
};

use super::StoreError;
use crate::{
    hash::from_hex,
    models::{Part, PendingUpload},
};

/// How long S3 may take to join the parts of an upload: nearly as long as the functions that wait for it have. S3 goes on
/// if it takes longer, and a repeated request finds the upload completed.
const COMPLETION_TIMEOUT: Duration = Duration::from_secs(12);

/// A presigned PUT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartUrl {
    /// The URL.
    pub url: String,
    /// The headers that the signature covers, without `host`.
    pub headers: BTreeMap<String, String>,
}

/// The result of completing an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assembled {
    /// The object is complete and has the announced size.
    Complete,
    /// These parts are missing or have another size.
    Missing(Vec<Part>),
    /// The object has another size, in bytes, than was announced.
    WrongSize(u64),
}

/// The uploads of inputs to the bucket.
#[derive(Debug)]
pub struct UploadStore<F> {
    objects: Objects<F>,
}

impl<F> Clone for UploadStore<F> {
    fn clone(&self) -> Self {
        Self {
            objects: self.objects.clone(),
        }
    }
}

impl<F: Function> UploadStore<F> {
    /// A store of uploads in the bucket of `objects`.
    pub fn new(objects: Objects<F>) -> Self {
        Self { objects }
    }

    /// Starts the upload of an input. A single PUT needs no start.
    pub async fn begin(
        &self,
        job_id: &JobId,
        content_type: &str,
        upload: &mut PendingUpload,
    ) -> Result<(), StoreError>
    where
        F: Granted<PutObject<buckets::Objects>>,
    {
        const OPERATION: &str = "starting the upload";
        if !upload.is_multipart() {
            return Ok(());
        }
        let started = self
            .objects
            .create_multipart_upload::<buckets::Objects>()
            .key(input_key(job_id))
            .content_type(content_type)
            .send()
            .await
            .map_err(StoreError::of_s3(OPERATION))?;
        let id = started.upload_id;
        upload.upload_id = Some(id.ok_or_else(|| no_field(OPERATION, "UploadId"))?);
        Ok(())
    }

    /// The URL to which a part is sent.
    pub async fn part_url(
        &self,
        job_id: &JobId,
        content_type: &str,
        upload: &PendingUpload,
        part: Part,
    ) -> Result<PartUrl, StoreError>
    where
        F: Granted<PutObject<buckets::Objects>>,
    {
        const OPERATION: &str = "presigning a URL";
        let seconds = Duration::from_secs(UPLOAD_URL_SECONDS.into());
        let config = PresigningConfig::expires_in(seconds)
            .map_err(|error| StoreError::call(OPERATION)(error.to_string()))?;
        let size = i64::try_from(part.size).unwrap_or(i64::MAX);
        let request = match &upload.upload_id {
            Some(upload_id) => self
                .objects
                .upload_part::<buckets::Objects>()
                .key(input_key(job_id))
                .upload_id(upload_id)
                .part_number(i32::try_from(part.number).unwrap_or(i32::MAX))
                .content_length(size)
                .presigned(config)
                .await
                .map_err(StoreError::of_s3(OPERATION))?,
            None => {
                self.objects
                    .put_object::<buckets::Objects>()
                    .key(input_key(job_id))
                    .content_type(content_type)
                    .content_length(size)
                    // The URL stays valid after the job has started, whose input must not change.
                    .if_none_match("*")
                    .set_checksum_sha256(upload.sha256.as_deref().and_then(base64_of_hex))
                    .presigned(config)
                    .await
                    .map_err(StoreError::of_s3(OPERATION))?
            }
        };
        Ok(part_url(&request))
    }

    /// The parts that have not been uploaded.
    pub async fn missing(
        &self,
        job_id: &JobId,
        upload: &PendingUpload,
    ) -> Result<Vec<Part>, StoreError>
    where
        F: Granted<GetObject<buckets::Objects>> + Granted<ListParts<buckets::Objects>>,
    {
        if let Some(upload_id) = &upload.upload_id
            && let Some(there) = self.list(job_id, upload_id).await?
        {
            return Ok(missing(upload, &there));
        }
        // A single PUT, or a multipart upload that an interrupted request has completed.
        let is_there = self.size(job_id).await? == Some(upload.size);
        Ok(if is_there {
            Vec::new()
        } else {
            upload.parts().collect()
        })
    }

    /// Completes the upload. Idempotent.
    pub async fn assemble(
        &self,
        job_id: &JobId,
        upload: &PendingUpload,
    ) -> Result<Assembled, StoreError>
    where
        F: Granted<GetObject<buckets::Objects>>
            + Granted<ListParts<buckets::Objects>>
            + Granted<PutObject<buckets::Objects>>,
    {
        if let Some(upload_id) = &upload.upload_id
            && let Some(there) = self.list(job_id, upload_id).await?
        {
            let missing = missing(upload, &there);
            if !missing.is_empty() {
                return Ok(Assembled::Missing(missing));
            }
            self.complete(job_id, upload, upload_id, there).await?;
        }
        Ok(match self.size(job_id).await? {
            Some(size) if size == upload.size => Assembled::Complete,
            Some(size) => Assembled::WrongSize(size),
            None => Assembled::Missing(upload.parts().collect()),
        })
    }

    /// Ends the upload and deletes its parts. Idempotent.
    pub async fn abort(&self, job_id: &JobId, upload: &PendingUpload) -> Result<(), StoreError>
    where
        F: Granted<AbortMultipartUpload<buckets::Objects>>,
    {
        let Some(upload_id) = &upload.upload_id else {
            return Ok(());
        };
        let aborted = self
            .objects
            .abort_multipart_upload::<buckets::Objects>()
            .key(input_key(job_id))
            .upload_id(upload_id)
            .send()
            .await;
        match aborted {
            Err(error) if !is_no_such_upload(&error) => {
                Err(StoreError::of_s3("aborting the upload")(error))
            }
            _ => Ok(()),
        }
    }

    /// The first bytes of an uploaded input, at most `bytes`.
    pub async fn beginning(&self, job_id: &JobId, bytes: usize) -> Result<Vec<u8>, StoreError>
    where
        F: Granted<GetObject<buckets::Objects>>,
    {
        const OPERATION: &str = "reading the beginning of the input";
        let object = self
            .objects
            .get_object::<buckets::Objects>()
            .key(input_key(job_id))
            .range(format!("bytes=0-{}", bytes.max(1) - 1))
            .send()
            .await
            .map_err(StoreError::of_s3(OPERATION))?;
        let bytes = object.body.collect().await;
        let bytes = bytes.map_err(|error| StoreError::call(OPERATION)(error.to_string()))?;
        Ok(bytes.to_vec())
    }

    /// The parts that are in the bucket, by their number; none if there is no such upload (any more).
    async fn list(
        &self,
        job_id: &JobId,
        upload_id: &str,
    ) -> Result<Option<BTreeMap<u32, UploadedPart>>, StoreError>
    where
        F: Granted<ListParts<buckets::Objects>>,
    {
        let mut there = BTreeMap::new();
        let mut marker = None;
        loop {
            let page = self
                .objects
                .list_parts::<buckets::Objects>()
                .key(input_key(job_id))
                .upload_id(upload_id)
                .set_part_number_marker(marker.take())
                .send()
                .await;
            let page = match page {
                Err(error) if is_no_such_upload(&error) => return Ok(None),
                page => page.map_err(StoreError::of_s3("listing the parts of the upload"))?,
            };
            for part in page.parts() {
                let number = part.part_number().and_then(|it| u32::try_from(it).ok());
                let size = part.size().and_then(|it| u64::try_from(it).ok());
                if let (Some(number), Some(size), Some(etag)) = (number, size, part.e_tag()) {
                    let etag = etag.to_owned();
                    there.insert(number, UploadedPart { size, etag });
                }
            }
            let next = page.next_part_number_marker().map(str::to_owned);
            if page.is_truncated() != Some(true) || next.is_none() {
                return Ok(Some(there));
            }
            marker = next;
        }
    }

    async fn complete(
        &self,
        job_id: &JobId,
        upload: &PendingUpload,
        upload_id: &str,
        mut there: BTreeMap<u32, UploadedPart>,
    ) -> Result<(), StoreError>
    where
        F: Granted<PutObject<buckets::Objects>>,
    {
        let timeout = TimeoutConfig::builder()
            .operation_attempt_timeout(COMPLETION_TIMEOUT)
            .build();
        let mut completed = CompletedMultipartUpload::builder();
        for part in upload.parts() {
            let etag = there.remove(&part.number).map(|there| there.etag);
            completed = completed.parts(
                CompletedPart::builder()
                    .part_number(i32::try_from(part.number).unwrap_or(i32::MAX))
                    .set_e_tag(etag)
                    .build(),
            );
        }
        let answer = self
            .objects
            .complete_multipart_upload::<buckets::Objects>()
            .key(input_key(job_id))
            .upload_id(upload_id)
            .multipart_upload(completed.build())
            .customize()
            .config_override(Config::builder().timeout_config(timeout))
            .send()
            .await;
        match answer {
            // An overlapping request has completed it.
            Err(error) if !is_no_such_upload(&error) => {
                Err(StoreError::of_s3("completing the upload")(error))
            }
            _ => Ok(()),
        }
    }

    /// The size of the input in the bucket; none if it is not there.
    async fn size(&self, job_id: &JobId) -> Result<Option<u64>, StoreError>
    where
        F: Granted<GetObject<buckets::Objects>>,
    {
        const OPERATION: &str = "reading the size of the input";
        let head = self
            .objects
            .head_object::<buckets::Objects>()
            .key(input_key(job_id))
            .send()
            .await;
        match head {
            Ok(head) => {
                let size = head.content_length().and_then(|it| u64::try_from(it).ok());
                Ok(Some(
                    size.ok_or_else(|| no_field(OPERATION, "ContentLength"))?,
                ))
            }
            Err(error) => {
                // Without s3:ListBucket, S3 answers 403 for a missing object.
                let status = error.raw_response().map(|answer| answer.status().as_u16());
                match status {
                    Some(404 | 403) => Ok(None),
                    _ => Err(StoreError::of_s3(OPERATION)(error)),
                }
            }
        }
    }
}

/// A part that is in the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
struct UploadedPart {
    size: u64,
    etag: String,
}

fn missing(upload: &PendingUpload, there: &BTreeMap<u32, UploadedPart>) -> Vec<Part> {
    let is_there = |part: &Part| {
        let there = there.get(&part.number);
        there.is_some_and(|there| there.size == part.size)
    };
    upload.parts().filter(|part| !is_there(part)).collect()
}

fn part_url(request: &PresignedRequest) -> PartUrl {
    let headers = request.headers();
    PartUrl {
        url: request.uri().to_owned(),
        headers: headers
            .filter(|(name, _)| !name.eq_ignore_ascii_case("host"))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    }
}

fn is_no_such_upload<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    let error = error.as_service_error();
    error.and_then(ProvideErrorMetadata::code) == Some("NoSuchUpload")
}

fn base64_of_hex(hex: &str) -> Option<String> {
    from_hex(hex).map(|bytes| BASE64_STANDARD.encode(bytes))
}

fn no_field(operation: &'static str, field: &str) -> StoreError {
    StoreError::call(operation)(format!("the response of S3 has no {field}"))
}
