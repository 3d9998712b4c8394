//! A job that is about to be created.

use std::{collections::BTreeMap, path::PathBuf};

use bytes::Bytes;
use raw_json::RawJson;
use serde::Serialize;
use stagecast_contract::{
    time_limits::JobLimits, timestamp::Timestamp, webhooks::DescribedWebhook,
};

use crate::error::Error;

/// What a new job consists of: its input, and options.
///
/// ```
/// use stagecast_client::NewJob;
///
/// let job = NewJob::from_bytes("a,b\n1,2\n", "text/csv")
///     .parameters(&serde_json::json!({ "separator": "," }))?
///     .label("customer", "42")
///     .queue("reports")
///     .priority(7);
/// # Ok::<(), stagecast_client::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct NewJob {
    pub(crate) input: Input,
    pub(crate) content_type: String,
    pub(crate) options: Description,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) correlation_id: Option<String>,
    pub(crate) token: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) enum Input {
    None,
    Bytes(Bytes),
    File(PathBuf),
}

/// The fields of a job's description.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Description {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parameters: Option<RawJson>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) input: Option<DescribedInput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) worker: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) queue: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) priority: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limits: Option<JobLimits>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) run_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retention_days: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) webhook: Option<DescribedWebhook>,
}

/// The input in a description: itself, or what is uploaded later.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DescribedInput {
    pub(crate) content_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sha256: Option<String>,
}

impl NewJob {
    /// A job with this input. An input that is too large for a request is uploaded.
    pub fn from_bytes(bytes: impl Into<Bytes>, content_type: impl Into<String>) -> Self {
        Self::of(Input::Bytes(bytes.into()), content_type.into())
    }

    /// A job whose input is a file. It is read while it is sent, and is never in memory as a whole if it is
    /// uploaded.
    pub fn from_file(path: impl Into<PathBuf>, content_type: impl Into<String>) -> Self {
        Self::of(Input::File(path.into()), content_type.into())
    }

    /// A job without an input, for external workers.
    pub fn without_input() -> Self {
        Self::of(Input::None, String::new())
    }

    fn of(input: Input, content_type: String) -> Self {
        Self {
            input,
            content_type,
            options: Description::default(),
            idempotency_key: None,
            correlation_id: None,
            token: None,
        }
    }

    /// A JSON object of at most 16 KB for the stages of the job.
    ///
    /// # Errors
    ///
    /// [`Error::Unwritable`].
    pub fn parameters(mut self, parameters: &(impl Serialize + ?Sized)) -> Result<Self, Error> {
        let json = RawJson::of(parameters).map_err(|error| Error::Unwritable {
            what: "the parameters",
            cause: error.to_string(),
        })?;
        self.options.parameters = Some(json);
        Ok(self)
    }

    /// A name and a value that the job's snapshot contains: at most 16.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.labels.insert(name.into(), value.into());
        self
    }

    /// The queue of external workers that runs the job; the pipeline without it.
    #[must_use]
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.options.queue = Some(queue.into());
        self
    }

    /// 0 to 9, of which workers claim the highest first; 5 without it. Only with a [`queue`](Self::queue).
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.options.priority = Some(priority);
        self
    }

    /// Reserves the job for one external worker, which receives [`Job::worker_key`](crate::Job::worker_key).
    #[must_use]
    pub fn for_external_worker(mut self) -> Self {
        self.options.worker = Some("external");
        self
    }

    /// How long the job may wait and run.
    #[must_use]
    pub fn limits(mut self, limits: JobLimits) -> Self {
        self.options.limits = Some(limits);
        self
    }

    /// When the job may start at the earliest: at most 30 days ahead.
    #[must_use]
    pub fn run_at(mut self, at: Timestamp) -> Self {
        self.options.run_at = Some(at);
        self
    }

    /// Days for which the job is kept, with its log, input and results: 1 to 365, at most the environment's.
    #[must_use]
    pub fn retention_days(mut self, days: u32) -> Self {
        self.options.retention_days = Some(days);
        self
    }

    /// The URL and the events of the job's webhook, as far as the environment permits.
    #[must_use]
    pub fn webhook(mut self, webhook: DescribedWebhook) -> Self {
        self.options.webhook = Some(webhook);
        self
    }

    /// Identifies the creation: a repetition with the same key within 24 hours returns the same job. 16 to 255
    /// visible ASCII characters that cannot be guessed. Without it, [`Client::create`](crate::Client::create)
    /// chooses one for its own retries; set it if the program itself may repeat the creation.
    #[must_use]
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// The id that every message and log record of the job carries: at most 128 letters, digits, `.`, `_`, `:`
    /// and `-`.
    #[must_use]
    pub fn correlation_id(mut self, id: impl Into<String>) -> Self {
        self.correlation_id = Some(id.into());
        self
    }

    /// The JWT that the environment requires for creating jobs.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Whether only a description can say what the job consists of. A queue and a worker can be parameters of
    /// the query, too.
    pub(crate) fn needs_description(&self) -> bool {
        let Description {
            parameters,
            labels,
            limits,
            run_at,
            retention_days,
            webhook,
            ..
        } = &self.options;
        parameters.is_some()
            || !labels.is_empty()
            || limits.is_some()
            || run_at.is_some()
            || retention_days.is_some()
            || webhook.is_some()
    }
}
