//! The results of stages: in the log while they are small, in the bucket beyond.

use aws_sdk_s3::{
    error::DisplayErrorContext, operation::get_object::GetObjectOutput,
    presigning::PresigningConfig, primitives::ByteStream,
};
use contract::{
    buckets::{self, results_key},
    functions::Function,
    grants::{GetObject, Granted, PutObject},
    ids::JobId,
    json::RawJson,
    limits::{MAX_INLINE_RESULTS_BYTES, MAX_RESULTS_ANSWER_BYTES},
    messages::Results,
};

use super::StoreError;
use crate::{aws::Objects, hash::sha256_hex, response_size::fits_into_response};

/// How long an address in the bucket can be used.
const PRESIGNED_FOR: std::time::Duration = std::time::Duration::from_mins(5);

/// Results, or where to get them.
#[derive(Clone, Debug, PartialEq)]
pub enum StoredResults {
    /// The results, as JSON.
    Json(String),
    /// Too large for a function's answer: an address that can be used for five minutes.
    Address(String),
}

/// The query parameter of an address of results that says which ones they are.
const SHA256: &str = "sha256";

/// What a message says in the place of results that are too large for it.
fn large_results(job_id: &JobId, stage: &str, json: &str) -> Results {
    let sha256 = sha256_hex(json.as_bytes());
    Results {
        results: RawJson::null(),
        results_url: Some(format!(
            "/v1/jobs/{job_id}/results?stage={stage}&{SHA256}={sha256}"
        )),
    }
}

/// Where in the bucket the results are that a message tells of; `None` if it carries them.
fn object_key(job_id: &JobId, results: &Results) -> Result<Option<String>, StoreError> {
    let Some(url) = &results.results_url else {
        return Ok(None);
    };
    let (_, query) = url.split_once('?').unwrap_or_default();
    let mut parameters = query.split('&').filter_map(|it| it.split_once('='));
    match parameters.find(|(name, _)| *name == SHA256) {
        Some((_, sha256)) => Ok(Some(results_key(job_id, sha256))),
        None => Err(StoreError::call("reading the results")(format!(
            "the address {url} has no {SHA256}"
        ))),
    }
}

/// The results of a stage as a message carries them, and themselves, if they are to be in the bucket.
///
/// Small results of two messages are equal if they differ in nothing but whitespace; of large ones
/// the message names the hash, so they are equal if they have the same bytes.
pub fn packed(job_id: &JobId, stage: &str, results: RawJson) -> (Results, Option<RawJson>) {
    if results.get().len() > MAX_INLINE_RESULTS_BYTES {
        return (large_results(job_id, stage, results.get()), Some(results));
    }
    let inline = Results {
        results,
        results_url: None,
    };
    (inline, None)
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
        results: RawJson,
    ) -> Result<Results, StoreError>
    where
        F: Granted<PutObject<buckets::Objects>>,
    {
        let (results, large) = packed(job_id, stage, results);
        let (Some(json), Some(key)) = (large, object_key(job_id, &results)?) else {
            return Ok(results);
        };
        self.objects
            .put_object::<buckets::Objects>()
            .key(key)
            .content_type("application/json")
            .body(ByteStream::from(json.get().as_bytes().to_vec()))
            .send()
            .await
            .map_err(|error| {
                StoreError::call("storing the results")(DisplayErrorContext(error).to_string())
            })?;
        Ok(results)
    }

    /// The results that a message carries, wherever they are.
    pub async fn unpack(&self, job_id: &JobId, results: Results) -> Result<RawJson, StoreError>
    where
        F: Granted<GetObject<buckets::Objects>>,
    {
        let Some(key) = object_key(job_id, &results)? else {
            return Ok(results.results);
        };
        let json = collect(self.object(&key).await?.body).await?;
        RawJson::from_text(json)
            .map_err(|error| StoreError::call("reading the results")(error.to_string()))
    }

    /// The results that a message carries, for an answer of the HTTP API.
    pub async fn answer(
        &self,
        job_id: &JobId,
        results: Results,
    ) -> Result<StoredResults, StoreError>
    where
        F: Granted<GetObject<buckets::Objects>>,
    {
        let Some(key) = object_key(job_id, &results)? else {
            return Ok(StoredResults::Json(results.results.get().to_owned()));
        };
        let object = self.object(&key).await?;
        let size = object.content_length().unwrap_or(i64::MAX);
        if usize::try_from(size).is_ok_and(|size| size <= MAX_RESULTS_ANSWER_BYTES) {
            let json = collect(object.body).await?;
            if fits_into_response(&json) {
                return Ok(StoredResults::Json(json));
            }
        }
        let config = PresigningConfig::expires_in(PRESIGNED_FOR)
            .map_err(|error| StoreError::call("signing an address")(error.to_string()))?;
        let request = self
            .objects
            .get_object::<buckets::Objects>()
            .key(key)
            .presigned(config)
            .await
            .map_err(|error| {
                StoreError::call("signing an address")(DisplayErrorContext(error).to_string())
            })?;
        Ok(StoredResults::Address(request.uri().to_owned()))
    }

    async fn object(&self, key: &str) -> Result<GetObjectOutput, StoreError>
    where
        F: Granted<GetObject<buckets::Objects>>,
    {
        self.objects
            .get_object::<buckets::Objects>()
            .key(key)
            .send()
            .await
            .map_err(|error| {
                StoreError::call("reading the results")(DisplayErrorContext(error).to_string())
            })
    }
}

async fn collect(body: ByteStream) -> Result<String, StoreError> {
    let bytes = body
        .collect()
        .await
        .map_err(|error| StoreError::call("reading the results")(error.to_string()))?;
    String::from_utf8(bytes.to_vec())
        .map_err(|error| StoreError::call("reading the results")(error.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job_id() -> JobId {
        "job_20240115_ab".parse().unwrap()
    }

    #[test]
    fn small_results_are_in_the_message_and_large_ones_under_their_hash() {
        let words = RawJson::from(json!({ "words": 3 }));
        let (small, none) = packed(&job_id(), "count", words.clone());
        assert_eq!((small.results, none), (words, None));
        let large =
            |letter: &str| packed(&job_id(), "count", json!(letter.repeat(40_000)).into()).0;
        let key = |results: &Results| object_key(&job_id(), results).unwrap().expect("a key");
        assert_eq!(large("x").results, RawJson::null());
        assert_eq!(key(&large("x")), key(&large("x")));
        assert_ne!(key(&large("x")), key(&large("y")));
    }

    #[test]
    fn an_address_without_a_hash_is_an_error_and_not_no_results() {
        let large_results = Results {
            results: RawJson::null(),
            results_url: Some("/v1/jobs/job_20240115_ab/results?stage=count".to_owned()),
        };
        let error = object_key(&job_id(), &large_results)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("results?stage=count has no sha256"),
            "{error}"
        );
    }
}
