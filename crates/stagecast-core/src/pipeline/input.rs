//! The inputs of jobs, as stages read them from the bucket.

use std::{
    ops::Range,
    sync::{Arc, OnceLock},
};

use aws_sdk_s3::{
    error::{DisplayErrorContext, ProvideErrorMetadata as _, SdkError},
    operation::get_object::{GetObjectError, GetObjectOutput},
};
use granted_aws::Objects;
use stage_pipeline::{
    InputError, JobInput,
    host::{InputPart, InputSource, OpenInput},
};
use stagecast_contract::{
    buckets::{self, input_key},
    ids::JobId,
};
use typed_contract::{
    functions::{Function, MAX_EPHEMERAL_STORAGE_MIB},
    grants::{GetObject, Granted},
};

use crate::models::Job;

/// The inputs in the bucket.
pub(super) struct Inputs<F> {
    objects: Arc<Objects<F>>,
}

impl<F: Function + Granted<GetObject<buckets::Objects>>> Inputs<F> {
    pub(super) fn new(objects: Objects<F>) -> Self {
        Self {
            objects: Arc::new(objects),
        }
    }

    /// The bucket, with the connections of the stages.
    pub(super) fn objects(&self) -> Arc<Objects<F>> {
        Arc::clone(&self.objects)
    }

    /// The input of `job`. Nothing is read yet.
    pub(super) fn of(&self, job: &Job) -> JobInput {
        let object = InputObject {
            objects: Arc::clone(&self.objects),
            job_id: job.job_id.clone(),
            etag: OnceLock::new(),
        };
        let storage = F::SPEC.ephemeral_storage_mib;
        let remedy = format!(
            "the function `{}` has {storage} MiB of ephemeral storage; declare a larger \
             `ephemeral_storage_mib`, up to {MAX_EPHEMERAL_STORAGE_MIB}, or read the input with \
             `reader()`",
            F::SPEC.name
        );
        JobInput::from_source(&job.job_id, object, &job.content_type)
            .with_temporary_storage(u64::from(storage) * 1024 * 1024, remedy)
    }
}

/// The object of an input.
struct InputObject<F> {
    objects: Arc<Objects<F>>,
    job_id: JobId,
    /// The version of the object that the first request read; all others require the same.
    etag: OnceLock<String>,
}

impl<F: Function + Granted<GetObject<buckets::Objects>>> InputObject<F> {
    async fn get(&self, range: Range<u64>) -> Result<InputPart, InputError> {
        let request = self
            .objects
            .get_object::<buckets::Objects>()
            .key(input_key(&self.job_id))
            .range(range_header(&range))
            .set_if_match(self.etag.get().cloned());
        match request.send().await {
            Ok(object) => self.part(object, &range),
            // No byte of an empty object is in any range.
            Err(error) if range.start == 0 && error.code() == Some("InvalidRange") => {
                Ok(InputPart {
                    size: 0,
                    body: Box::pin(tokio::io::empty()),
                })
            }
            Err(error) => Err(input_error(error)),
        }
    }

    fn part(&self, object: GetObjectOutput, range: &Range<u64>) -> Result<InputPart, InputError> {
        let size = object_size(&object, range).ok_or_else(|| InputError::Unavailable {
            cause: format!(
                "the response to {} has the content-range {:?} and the content-length {:?}",
                range_header(range),
                object.content_range(),
                object.content_length()
            ),
        })?;
        if let Some(etag) = object.e_tag()
            && self.etag.get_or_init(|| etag.to_owned()) != etag
        {
            return Err(InputError::Replaced);
        }
        Ok(InputPart {
            size,
            body: Box::pin(object.body.into_async_read()),
        })
    }
}

impl<F: Function + Granted<GetObject<buckets::Objects>>> InputSource for InputObject<F> {
    fn open(&self, range: Range<u64>) -> OpenInput<'_> {
        Box::pin(self.get(range))
    }
}

/// The `Range` header of a request: its end is inclusive.
fn range_header(range: &Range<u64>) -> String {
    format!("bytes={}-{}", range.start, range.end.saturating_sub(1))
}

/// The size of the whole object; none if the response is not that to `range`.
fn object_size(object: &GetObjectOutput, range: &Range<u64>) -> Option<u64> {
    match object.content_range() {
        Some(content_range) => {
            let (part, size) = content_range.strip_prefix("bytes ")?.split_once('/')?;
            let (start, _) = part.split_once('-')?;
            let starts_there = start.parse() == Ok(range.start);
            size.parse().ok().filter(|_| starts_there)
        }
        // The whole object: a server may ignore a range.
        None if range.start == 0 => u64::try_from(object.content_length()?).ok(),
        None => None,
    }
}

fn input_error(error: SdkError<GetObjectError>) -> InputError {
    let code = error.code().map(str::to_owned);
    let status = error
        .raw_response()
        .map(|response| response.status().as_u16());
    let cause = DisplayErrorContext(error).to_string();
    match (code.as_deref(), status) {
        (Some("NoSuchKey"), _) => InputError::NotFound { cause },
        // The object is another one, or shorter than it was.
        (Some("PreconditionFailed" | "InvalidRange"), _) | (_, Some(412 | 416)) => {
            InputError::Replaced
        }
        _ => InputError::Unavailable { cause },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(content_range: Option<&str>, content_length: i64) -> GetObjectOutput {
        GetObjectOutput::builder()
            .set_content_range(content_range.map(str::to_owned))
            .content_length(content_length)
            .build()
    }

    #[test]
    fn size_is_that_of_the_whole_object() {
        assert_eq!(range_header(&(5..10)), "bytes=5-9");
        let part = response(Some("bytes 5-9/1000"), 5);
        assert_eq!(object_size(&part, &(5..10)), Some(1000));
        let whole = response(None, 1000);
        assert_eq!(object_size(&whole, &(0..4000)), Some(1000));
    }

    #[test]
    fn response_to_another_range_is_refused() {
        let other = response(Some("bytes 0-4/1000"), 5);
        assert_eq!(object_size(&other, &(5..10)), None);
        let whole = response(None, 1000);
        assert_eq!(object_size(&whole, &(5..10)), None);
        let nonsense = response(Some("5-9 of 1000"), 5);
        assert_eq!(object_size(&nonsense, &(5..10)), None);
    }
}
