//! One attempt to post a webhook.

use std::{io, sync::OnceLock, time::Duration};

use aws_lambda_events::sqs::SqsMessage;
use bytes::Bytes;
use granted_aws::{SecretError, Secrets};
use http::{
    HeaderValue, Method, Request,
    header::{CONTENT_TYPE, USER_AGENT},
};
use outbound_https::{Addresses, HttpsClient, Limits, OutboundError};
use stagecast_contract::{
    functions::WebhooksFunction,
    queues::WebhookTask,
    webhooks::{JobWebhook, WebhookRules, WebhookSecret, webhook_id},
};
use stagecast_core::{
    clock::Clock,
    models::Job,
    stores::{EventStore, JobStore, StoreError},
};
use typed_contract::functions::Function;

use crate::{
    answer::Answer,
    payload,
    signature::{InvalidKeys, SigningKeys},
};

/// The client that receivers see.
const CLIENT: &str = concat!("stagecast-webhooks/", env!("CARGO_PKG_VERSION"));

/// The bounds of an attempt. The function's timeout leaves time for the tables and for the secret. The response has no
/// meaning beyond its status; the beginning of its body is logged if it is an error.
const LIMITS: Limits = Limits {
    connect: Duration::from_secs(5),
    total: Duration::from_secs(20),
    body_bytes: 4 * 1024,
};

const _: () = assert!(
    LIMITS.total.as_secs() + 15 <= <WebhooksFunction as Function>::SPEC.timeout_seconds as u64
);

/// The client that posts. It is made at the first webhook, because it reads the root certificates of the machine.
#[derive(Debug, Default)]
pub(crate) struct LazyHttpsClient(OnceLock<HttpsClient>);

impl LazyHttpsClient {
    fn get(&self, rules: &WebhookRules) -> io::Result<&HttpsClient> {
        if let Some(client) = self.0.get() {
            return Ok(client);
        }
        let addresses = if rules.allow_loopback {
            Addresses::PublicOrLoopback
        } else {
            Addresses::Public
        };
        let client = HttpsClient::new(addresses, LIMITS)?;
        Ok(self.0.get_or_init(|| client))
    }
}

/// Clients, stores and settings of the function. Assembled once in each process.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) jobs: JobStore<WebhooksFunction>,
    pub(crate) events: EventStore<WebhooksFunction>,
    pub(crate) secrets: Secrets<WebhooksFunction>,
    pub(crate) client: LazyHttpsClient,
    pub(crate) rules: WebhookRules,
    pub(crate) clock: Clock,
}

/// The end of a webhook that is not posted again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finished {
    /// The receiver has it.
    Delivered,
    /// The receiver wants no webhooks any more.
    Gone,
    /// There is nothing to post, for this reason.
    Dropped(&'static str),
}

/// An attempt failed. The webhook stays on the queue.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttemptError {
    #[error("the message on the queue is not a webhook task: {0}")]
    InvalidTask(#[from] serde_json::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the message {seq} of the log is not durable: {cause}")]
    InvalidMessage { seq: u64, cause: serde_json::Error },
    #[error(
        "the environment has no endpoint any more, or does not permit the URL of the job: declare it in the \
         environment's `webhooks`"
    )]
    NoEndpoint,
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("the keys of webhooks are not valid: {0}")]
    Keys(#[from] InvalidKeys),
    #[error("the webhook could not be made into a request: {0}")]
    Request(#[from] http::Error),
    #[error("no webhook can be posted: {0}")]
    Client(#[from] io::Error),
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    #[error("{cause}")]
    Failed {
        cause: String,
        wait: Option<Duration>,
    },
}

impl AttemptError {
    /// How long the receiver asks to wait.
    pub(crate) fn wait(&self) -> Option<Duration> {
        match self {
            Self::Failed { wait, .. } => *wait,
            _ => None,
        }
    }
}

impl Context {
    /// Posts the webhook of a message of the queue.
    pub(crate) async fn attempt(&self, message: &SqsMessage) -> Result<Finished, AttemptError> {
        let task: WebhookTask = serde_json::from_str(message.body.as_deref().unwrap_or_default())?;
        let span = tracing::Span::current();
        span.record("job_id", task.job_id.as_str());
        span.record("seq", task.seq);
        let Some(job) = self.jobs.load(&task.job_id).await? else {
            return Ok(Finished::Dropped("the job has expired"));
        };
        span.record("correlation_id", job.correlation_id.as_str());
        let Some(webhook) = &job.webhook else {
            return Ok(Finished::Dropped("the job has no webhook"));
        };
        self.post(&job, webhook, task.seq).await
    }

    async fn post(
        &self,
        job: &Job,
        webhook: &JobWebhook,
        seq: u64,
    ) -> Result<Finished, AttemptError> {
        // An event beyond the job's `seq` does not count yet.
        let event = if seq <= job.seq {
            self.events.at(&job.job_id, seq).await?
        } else {
            None
        };
        let Some(event) = event else {
            return Ok(Finished::Dropped("the log has no such message"));
        };
        let (event, body) = payload::body_of(&event.message)
            .map_err(|cause| AttemptError::InvalidMessage { seq, cause })?;
        if !webhook.has(event) {
            return Ok(Finished::Dropped("the webhook does not have this event"));
        }
        let url = self.rules.url(webhook).ok_or(AttemptError::NoEndpoint)?;
        let secret = self.secrets.get::<WebhookSecret>().await?;
        let keys = SigningKeys::parse(secret.expose())?;
        let id = webhook_id(&job.job_id, seq);
        let sent_at = self.clock.now();
        let signature = keys.sign(&id, sent_at, body.as_bytes());
        let mut signature = HeaderValue::try_from(signature).map_err(http::Error::from)?;
        signature.set_sensitive(true);
        let request = Request::builder()
            .method(Method::POST)
            .uri(url.as_str())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, CLIENT)
            .header("webhook-id", id)
            .header("webhook-timestamp", sent_at.epoch_seconds().to_string())
            .header("webhook-signature", signature)
            .body(Bytes::from(body))?;
        let response = self.client.get(&self.rules)?.send(request).await?;
        let now = self.clock.now();
        match Answer::of(response.status, &response.headers, &response.body, now) {
            Answer::Delivered => Ok(Finished::Delivered),
            Answer::Gone => Ok(Finished::Gone),
            Answer::Failed { cause, wait } => Err(AttemptError::Failed { cause, wait }),
        }
    }
}
