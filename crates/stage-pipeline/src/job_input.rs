//! What a job starts from.

use std::sync::Arc;

use bytes::Bytes;

/// The input of a job. Every stage receives it. A clone shares the id and the bytes.
#[derive(Clone, Debug)]
pub struct JobInput {
    /// The job's id, for logs and for names of what a stage stores elsewhere. This crate does not
    /// interpret it.
    pub job_id: Arc<str>,
    /// The document, image or other data that the job is about.
    pub bytes: Bytes,
    /// The media type of `bytes`, such as `text/csv`.
    pub content_type: String,
}

impl JobInput {
    /// The input of the job `job_id`: `bytes` of the media type `content_type`.
    pub fn new(
        job_id: impl Into<Arc<str>>,
        bytes: impl Into<Bytes>,
        content_type: impl Into<String>,
    ) -> Self {
        Self {
            job_id: job_id.into(),
            bytes: bytes.into(),
            content_type: content_type.into(),
        }
    }
}
