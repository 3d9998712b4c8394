//! Limits that clients and authors of pipelines notice. API Gateway's own are in `local`.

/// Largest input image: Lambda takes 6 MB of payload after base64, so 4 MB of body, in bytes.
pub const MAX_INPUT_BYTES: usize = 4 * 1024 * 1024;

/// Largest message that `@connections` takes, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 128 * 1024;

/// Results over this many bytes of JSON go to the bucket; the message carries their address.
pub const MAX_INLINE_RESULTS_BYTES: usize = 32 * 1024;

/// Largest answer with results in its body, in bytes; larger ones are a redirect to the bucket.
pub const MAX_RESULTS_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Largest client message that is looked at, in bytes. The largest valid one is under 1 KB.
pub const MAX_CLIENT_MESSAGE_BYTES: usize = 8 * 1024;

/// Largest body of `POST /v1/jobs/{job_id}/events` and of a claim, in bytes. Results come in it, and
/// Lambda takes 6 MB after base64.
pub const MAX_EVENTS_BYTES: usize = 4 * 1024 * 1024;

/// Events of one `POST /v1/jobs/{job_id}/events`.
pub const MAX_EVENTS: usize = 10;

/// Stages that a worker of its own may declare.
pub const MAX_STAGES: usize = 50;

/// Longest name of a stage and longest `code` of a failure, in bytes.
pub const MAX_NAME_BYTES: usize = 64;

/// Longest message for people that a stage may give, in bytes. It is in the job's item, which each
/// progress update pays for.
pub const MAX_TEXT_BYTES: usize = 1024;

/// Jobs that one connection may be subscribed to at a time, unless the environment says otherwise.
pub const DEFAULT_MAX_SUBSCRIPTIONS: u32 = 20;

/// Life of a connection's items after the last sign of life, in seconds.
pub const CONNECTION_TTL_SECONDS: i64 = 60 * 60;

/// Life of a job, its events and its objects after its creation, in seconds.
pub const JOB_TTL_SECONDS: i64 = 7 * 24 * 60 * 60;

/// Subscribers that a publisher reads and posts to itself; the rest is the delivery function's.
pub const MAX_DIRECT_SUBSCRIBERS: usize = 500;

/// Claims of a job without a stage finished between them before the job is failed.
pub const MAX_FRUITLESS_CLAIMS: u32 = 3;

/// How long a claimed job belongs to its runner without a renewal, in seconds.
pub const LEASE_SECONDS: i64 = 30;

/// How long after the end of a lease the watchdog looks at the job, in seconds: the holder's last
/// post may be on its way.
pub const WATCHDOG_MARGIN_SECONDS: i64 = 5;

/// Longest time between two looks of the watchdog at a job, in seconds.
pub const WATCHDOG_MAX_DELAY_SECONDS: i64 = 180;

/// An external worker that has not renewed its lease for this long after the lease has ended, and
/// that no other worker has replaced, has its job failed. In seconds.
pub const ABANDONED_AFTER_SECONDS: i64 = 15 * 60;

/// Progress updates a second per job, at most.
pub const MAX_UPDATES_PER_SECOND: u32 = 4;
