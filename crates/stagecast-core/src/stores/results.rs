//! The results of stages. Small results are in the log, large ones in the bucket.

use aws_sdk_s3::presigning::PresigningConfig;
use granted_aws::Objects;
use raw_json::RawJson;
use stagecast_contract::{
    buckets::{self, results_key},
    ids::JobId,
    limits::{MAX_INLINE_RESULTS_BYTES, MAX_RESULTS_RESPONSE_BYTES},
    messages::Results,
};
use typed_contract::{
    functions::Function,
    grants::{GetObject, Granted, PutObject},
};

use super::{StoreError, json_objects};
use crate::{hash::sha256_hex, response_size::fits_into_response};

/// How long a presigned URL is valid.
const PRESIGNED_FOR: std::time::Duration = std::time::Duration::from_mins(5);

const READING: &str = "reading the results";

/// Results, or the URL to read them from.
#[derive(Clone, Debug, PartialEq)]
pub enum StoredResults {
    /// The results as JSON.
    Json(String),
    /// A presigned URL, valid for five minutes, for results that are too large for a function's response.
    Url(String),
}

/// The query parameter of `results_url` that identifies the results by their hash.
const SHA256: &str = "sha256";

/// The `results_url` that a message carries instead of large results.
fn large_results(job_id: &JobId, stage: &str, json: &str) -> Results {
    let sha256 = sha256_hex(json.as_bytes());
    Results {
        results: RawJson::null(),
        results_url: Some(format!(
            "/v1/jobs/{job_id}/results?stage={stage}&{SHA256}={sha256}"
        )),
    }
}

/// The key in the bucket of results that a message refers to; `None` if the message contains them.
fn object_key(job_id: &JobId, results: &Results) -> Result<Option<String>, StoreError> {
    let Some(url) = &results.results_url else {
        return Ok(None);
    };
    let (_, query) = url.split_once('?').unwrap_or_default();
    let mut parameters = query.split('&').filter_map(|it| it.split_once('='));
    match parameters.find(|(name, _)| *name == SHA256) {
        Some((_, sha256)) => Ok(Some(results_key(job_id, sha256))),
        None => Err(StoreError::call(READING)(format!(
            "the URL {url} has no {SHA256}"
        ))),
    }
}

/// The results of a stage as a message carries them, and the results to store in the bucket, if they are
/// large.
///
/// Small results are equal if they differ only in whitespace. Large results are compared by the hash in
/// the message, so they are equal if they have the same bytes.
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

/// Large results in the bucket.
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
    /// A store of results in the bucket of `objects`.
    pub fn new(objects: Objects<F>) -> Self {
        Self { objects }
    }

    /// The results of a stage as a message carries them. Stores large results in the bucket.
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
        json_objects::put(&self.objects, "storing the results", key, &json).await?;
        Ok(results)
    }

    /// The results that a message contains or refers to.
    pub async fn unpack(&self, job_id: &JobId, results: Results) -> Result<RawJson, StoreError>
    where
        F: Granted<GetObject<buckets::Objects>>,
    {
        let Some(key) = object_key(job_id, &results)? else {
            return Ok(results.results);
        };
        json_objects::get(&self.objects, READING, &key).await
    }

    /// The results that a message contains or refers to, for a response of the HTTP API.
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
        let object = json_objects::open(&self.objects, READING, &key).await?;
        let size = object.content_length().unwrap_or(i64::MAX);
        if usize::try_from(size).is_ok_and(|size| size <= MAX_RESULTS_RESPONSE_BYTES) {
            let json = json_objects::read_body(READING, object.body).await?;
            if fits_into_response(&json) {
                return Ok(StoredResults::Json(json));
            }
        }
        let config = PresigningConfig::expires_in(PRESIGNED_FOR)
            .map_err(|error| StoreError::call("presigning a URL")(error.to_string()))?;
        let request = self
            .objects
            .get_object::<buckets::Objects>()
            .key(key)
            .presigned(config)
            .await
            .map_err(StoreError::of_s3("presigning a URL"))?;
        Ok(StoredResults::Url(request.uri().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job_id() -> JobId {
        "job_20240115_ab".parse().unwrap()
    }

    #[test]
    fn large_results_are_stored_under_their_hash() {
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
    fn results_url_without_a_hash_is_an_error() {
        let no_hash = Results {
            results: RawJson::null(),
            results_url: Some("/v1/jobs/job_20240115_ab/results?stage=count".to_owned()),
        };
        let error = object_key(&job_id(), &no_hash).unwrap_err().to_string();
        assert!(
            error.contains("results?stage=count has no sha256"),
            "{error}"
        );
    }
}
