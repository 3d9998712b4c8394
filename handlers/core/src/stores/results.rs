//! The results of stages: in the log while they are small, in the bucket beyond.

use aws_sdk_s3::{
    error::DisplayErrorContext, operation::get_object::GetObjectOutput,
    presigning::PresigningConfig, primitives::ByteStream,
};
use contract::{
    buckets::{self, stage_results_key},
    functions::Function,
    grants::{GetObject, Granted, PutObject},
    ids::JobId,
    limits::{MAX_INLINE_RESULTS_BYTES, MAX_RESULTS_ANSWER_BYTES},
    messages::Results,
};
use serde_json::Value;

use super::StoreError;
use crate::aws::Objects;

/// How long an address in the bucket can be used.
const PRESIGNED_FOR: std::time::Duration = std::time::Duration::from_mins(5);

/// Results, or where to get them.
#[derive(Clone, Debug, PartialEq)]
pub enum StoredResults {
    /// The results, as JSON.
    Json(String),
    /// Too large to pass through a function: an address that can be used for five minutes.
    Address(String),
}

/// The results in the bucket.
#[derive(Debug)]
pub struct ResultStore<F> {
    objects: Objects<F>,
}

impl<F> Clone for ResultStore<F> {
    fn clone(&self) -> Self {
        Self {
            objects: self.objects.clone(),
        }
    }
}

impl<F: Function> ResultStore<F> {
    /// The results in the bucket of `objects`.
    pub fn new(objects: Objects<F>) -> Self {
        Self { objects }
    }

    /// The results of a stage as a message carries them; large ones are in the bucket then.
    pub async fn pack(
        &self,
        job_id: &JobId,
        stage: &str,
        results: Value,
    ) -> Result<Results, StoreError>
    where
        F: Granted<PutObject<buckets::Objects>>,
    {
        let json = results.to_string();
        if json.len() <= MAX_INLINE_RESULTS_BYTES {
            return Ok(Results {
                results,
                results_url: None,
            });
        }
        self.objects
            .put_object::<buckets::Objects>()
            .key(stage_results_key(job_id, stage))
            .content_type("application/json")
            .body(ByteStream::from(json.into_bytes()))
            .send()
            .await
            .map_err(|error| {
                StoreError::call("storing the results")(DisplayErrorContext(error).to_string())
            })?;
        let results_url = format!("/v1/jobs/{job_id}/results?stage={stage}");
        Ok(Results {
            results: Value::Null,
            results_url: Some(results_url),
        })
    }

    /// The results that a message carries, wherever they are.
    pub async fn unpack(
        &self,
        job_id: &JobId,
        stage: &str,
        results: Results,
    ) -> Result<Value, StoreError>
    where
        F: Granted<GetObject<buckets::Objects>>,
    {
        if results.results_url.is_none() {
            return Ok(results.results);
        }
        let json = self.read(job_id, stage).await?;
        serde_json::from_slice(&json)
            .map_err(|error| StoreError::call("reading the results")(error.to_string()))
    }

    /// The results that a message carries, for an answer of the HTTP API.
    pub async fn answer(
        &self,
        job_id: &JobId,
        stage: &str,
        results: Results,
    ) -> Result<StoredResults, StoreError>
    where
        F: Granted<GetObject<buckets::Objects>>,
    {
        if results.results_url.is_none() {
            return Ok(StoredResults::Json(results.results.to_string()));
        }
        let object = self.object(job_id, stage).await?;
        let size = object.content_length().unwrap_or(i64::MAX);
        if usize::try_from(size).is_ok_and(|size| size <= MAX_RESULTS_ANSWER_BYTES) {
            let bytes = collect(object.body).await?;
            return Ok(StoredResults::Json(
                String::from_utf8_lossy(&bytes).into_owned(),
            ));
        }
        let config = PresigningConfig::expires_in(PRESIGNED_FOR)
            .map_err(|error| StoreError::call("signing an address")(error.to_string()))?;
        let request = self
            .objects
            .get_object::<buckets::Objects>()
            .key(stage_results_key(job_id, stage))
            .presigned(config)
            .await
            .map_err(|error| {
                StoreError::call("signing an address")(DisplayErrorContext(error).to_string())
            })?;
        Ok(StoredResults::Address(request.uri().to_owned()))
    }

    async fn object(&self, job_id: &JobId, stage: &str) -> Result<GetObjectOutput, StoreError>
    where
        F: Granted<GetObject<buckets::Objects>>,
    {
        self.objects
            .get_object::<buckets::Objects>()
            .key(stage_results_key(job_id, stage))
            .send()
            .await
            .map_err(|error| {
                StoreError::call("reading the results")(DisplayErrorContext(error).to_string())
            })
    }

    async fn read(&self, job_id: &JobId, stage: &str) -> Result<Vec<u8>, StoreError>
    where
        F: Granted<GetObject<buckets::Objects>>,
    {
        let object = self.object(job_id, stage).await?;
        collect(object.body).await
    }
}

async fn collect(body: ByteStream) -> Result<Vec<u8>, StoreError> {
    let bytes = body
        .collect()
        .await
        .map_err(|error| StoreError::call("reading the results")(error.to_string()))?;
    Ok(bytes.to_vec())
}
