//! Limits of the APIs and of pipelines. API Gateway's own limits are in `local`.

/// Largest body of `POST /v1/jobs`, in bytes. API Gateway puts a body into the function's event,
/// which Lambda limits to 6 MB: as base64, so that 4 MB always fit, or, if its media type is `text/*`,
/// `application/json`, `application/javascript` or `application/xml`, as a JSON string, in which a
/// quote, a backslash and a line break count twice. API Gateway answers a larger string with 413.
pub const MAX_INPUT_BYTES: usize = 4 * 1024 * 1024;

/// Largest job description, in bytes of the body of `POST /v1/jobs`. API Gateway passes its media type as
/// base64, so that this size always fits. An inline input in base64 may have 3 MB of it.
pub const MAX_DESCRIPTION_BYTES: usize = 4 * 1024 * 1024;

/// Largest `parameters` of a job, in bytes of their JSON.
pub const MAX_PARAMETERS_BYTES: usize = 16 * 1024;

/// Deepest nesting of arrays and objects in `parameters`. Most JSON parsers accept 128 levels.
pub const MAX_PARAMETERS_DEPTH: usize = 120;

/// Maximum number of labels of a job.
pub const MAX_LABELS: usize = 16;

/// Largest name of a label, in bytes.
pub const MAX_LABEL_NAME_BYTES: usize = 64;

/// Largest value of a label, in bytes. Labels are in the job's item, so they add to the cost of each
/// progress update.
pub const MAX_LABEL_VALUE_BYTES: usize = 256;

/// Jobs in a page of `GET /v1/jobs`. Their snapshots fit into a response, with labels of the largest size.
pub const MAX_LISTED_JOBS: usize = 25;

/// Jobs that a request of `GET /v1/jobs` examines: the page ends there, even if few of them have the status and the
/// labels that were asked for.
pub const MAX_EXAMINED_JOBS: usize = 100;

/// Largest media type of an input, in bytes. It is in the job's item.
pub const MAX_CONTENT_TYPE_BYTES: usize = 100;

/// Largest input that is uploaded to the bucket, in bytes: 50 GB.
pub const MAX_UPLOAD_BYTES: usize = 50 * 1024 * 1024 * 1024;

/// Largest input that is uploaded by a single PUT, in bytes. Only of these does S3 verify a SHA-256.
pub const MAX_SINGLE_UPLOAD_BYTES: usize = UPLOAD_PART_BYTES;

/// Size of each part of a multipart upload except the last one, in bytes. S3 takes 10,000 parts of at least
/// 5 MB.
pub const UPLOAD_PART_BYTES: usize = 64 * 1024 * 1024;
const _: () = assert!(MAX_UPLOAD_BYTES.div_ceil(UPLOAD_PART_BYTES) <= 10_000);

/// Maximum number of URLs in an `upload`. A client asks for the next ones while it uploads.
pub const MAX_UPLOAD_URLS: usize = 100;

/// Time in seconds from the creation of a job after which an upload that is not complete fails the job. It ends
/// an hour before the job expires at the latest.
pub const UPLOAD_SECONDS: i64 = 24 * 60 * 60;

/// Validity of the URL of a part, in seconds. It ends earlier with the credentials of the function that
/// signed it; a client then asks for another one.
pub const UPLOAD_URL_SECONDS: u32 = 60 * 60;

/// Largest message that `@connections` takes, in bytes of the frame.
pub const MAX_MESSAGE_BYTES: usize = 128 * 1024;

/// Results over this many bytes of JSON go to the bucket; the message carries their address.
pub const MAX_INLINE_RESULTS_BYTES: usize = 32 * 1024;

/// States of checkpoints over this many bytes of JSON go to the bucket. At the prices of us-east-1, an
/// object costs as much to write as an item of 8 KB.
pub const MAX_INLINE_CHECKPOINT_BYTES: usize = 8 * 1024;

/// Largest state of an external worker's checkpoint, in bytes of JSON. It is in the response to the next claim,
/// beside [`MAX_CLAIM_RESULTS_BYTES`] of results.
pub const MAX_WORKER_CHECKPOINT_BYTES: usize = 256 * 1024;

/// Largest number of an attempt that an external worker reports.
pub const MAX_WORKER_ATTEMPTS: u64 = 1000;

/// Longest time in seconds to the next attempt at a stage that an external worker reports: that of the
/// pipeline's stages.
pub const MAX_RETRY_DELAY_SECONDS: i64 = 15 * 60;

/// Maximum number of artifacts of a job. All of them are in its snapshot and in `job_complete`.
pub const MAX_ARTIFACTS: usize = 100;

/// Longest name of an artifact, in bytes.
pub const MAX_ARTIFACT_NAME_BYTES: usize = 128;

/// Largest artifact, in bytes: 50 GB.
pub const MAX_ARTIFACT_BYTES: u64 = 50 * 1024 * 1024 * 1024;

/// Largest artifact of an external worker, in bytes: 5 GB, S3's limit for a single PUT, of which S3 verifies
/// the SHA-256.
pub const MAX_WORKER_ARTIFACT_BYTES: u64 = 5 * 1024 * 1024 * 1024;

/// Validity of the URL from which an artifact is downloaded, in seconds. A download that has begun goes on
/// after it.
pub const ARTIFACT_URL_SECONDS: u32 = 15 * 60;

/// The largest messages are a snapshot with everything and `job_complete`. In the worst case, JSON writes a byte of a
/// text as six (`\u0001`); names and media types have no such bytes. The rest are ids, times and the names of fields.
const _: () = {
    let artifact = MAX_ARTIFACT_NAME_BYTES
        + MAX_CONTENT_TYPE_BYTES
        + 64
        + 20
        + "{'name':'','content_type':'','size':,'sha256':''},".len();
    let label = MAX_LABEL_NAME_BYTES + 6 * MAX_LABEL_VALUE_BYTES + "'':'',".len();
    let ids = 3 * 128;
    let texts = 6 * (2 * MAX_TEXT_BYTES + MAX_UNIT_BYTES + 2 * MAX_NAME_BYTES + ids);
    let largest =
        MAX_INLINE_RESULTS_BYTES + MAX_ARTIFACTS * artifact + MAX_LABELS * label + texts + 4096;
    assert!(
        largest <= MAX_MESSAGE_BYTES,
        "a message could exceed a frame of API Gateway"
    );
};

/// Largest response with results in its body, in bytes; larger results are served by a redirect to
/// the bucket. The function's response has a limit, too: see [`MAX_RESPONSE_STRING_BYTES`].
pub const MAX_RESULTS_RESPONSE_BYTES: usize = 4 * 1024 * 1024;

/// Largest body of a response as the JSON string in which a function returns it, in bytes: a quote
/// counts twice. Lambda's limit is 6 MB and 100 bytes, headers included.
pub const MAX_RESPONSE_STRING_BYTES: usize = 6 * 1024 * 1024 - 16 * 1024;

/// Largest sum of durable messages in a response to `GET /v1/jobs/{job_id}/events`, in bytes of the JSON string
/// in which the function returns them. DynamoDB returns 1 MB at a time.
pub const MAX_EVENTS_RESPONSE_BYTES: usize = 1024 * 1024;

/// A page of events exceeds its limit by at most one message, of which each byte may count twice; the snapshot
/// is no larger than a message.
const _: () =
    assert!(MAX_EVENTS_RESPONSE_BYTES + 2 * (2 * MAX_MESSAGE_BYTES) < MAX_RESPONSE_STRING_BYTES);

/// Largest `retry_after` in a response to `GET /v1/jobs/{job_id}/events`, in seconds.
pub const MAX_RETRY_AFTER_SECONDS: u32 = 60;

/// Largest sum of results in the response to a claim, in bytes of the JSON string in which the
/// function returns them. Results beyond it are replaced by their URL.
pub const MAX_CLAIM_RESULTS_BYTES: usize = 4 * 1024 * 1024;

/// Deepest nesting of arrays and objects in results. Most JSON parsers accept 128 levels, some of
/// which the messages around the results need.
pub const MAX_RESULTS_DEPTH: usize = 120;

/// Largest client message that is parsed, in bytes. The largest valid one is under 1 KB.
pub const MAX_CLIENT_MESSAGE_BYTES: usize = 8 * 1024;

/// Largest body of `POST /v1/jobs/{job_id}/events` and of a claim, in bytes. As with
/// [`MAX_INPUT_BYTES`], a body sent as `application/json` can be too large for Lambda before that; sent
/// as `application/octet-stream`, it is not.
pub const MAX_EVENTS_BYTES: usize = 4 * 1024 * 1024;

/// Maximum number of events in one `POST /v1/jobs/{job_id}/events`.
pub const MAX_EVENTS: usize = 10;

/// Maximum number of stages that an external worker may declare.
pub const MAX_STAGES: usize = 50;

/// Length limit of a stage's name and of the `code` of a failure, in bytes. A longer code is cut.
pub const MAX_NAME_BYTES: usize = 64;

/// Length limit of a stage's message, in bytes; a longer one is cut. The message is in the job's
/// item, so it adds to the cost of each progress update.
pub const MAX_TEXT_BYTES: usize = 1024;

/// Length limit of the `unit` of a stage's work, in bytes; a longer one is cut.
pub const MAX_UNIT_BYTES: usize = 32;

/// Upper limit of `completed` and `total`: the largest number that JavaScript represents exactly.
pub const MAX_WORK_AMOUNT: u64 = (1 << 53) - 1;

/// Time to live of the durations of a pipeline's stages after the last job, in seconds.
pub const STAGE_HISTORY_TTL_SECONDS: i64 = 90 * 24 * 60 * 60;

/// Upper limit of `estimated_seconds_remaining`, in seconds: a year.
pub const MAX_REMAINING_SECONDS: u64 = 365 * 24 * 60 * 60;

/// Maximum number of subscriptions per connection, unless the environment configures another.
pub const DEFAULT_MAX_SUBSCRIPTIONS: u32 = 20;

/// Burst of the rate limit for replays, per subscription that the connection may have: a `subscribed`
/// message counts as one, and so does each event of the log that it replays. Enough for the longest
/// log of an external worker's job.
pub const REPLAYS_PER_SUBSCRIPTION: u64 = 60;
const _: () = assert!(REPLAYS_PER_SUBSCRIPTION > MAX_STAGES as u64 + 1);

/// Burst of the rate limit for replays of a connection with at most `max_subscriptions`
/// subscriptions, in messages.
pub const fn replay_burst(max_subscriptions: u32) -> u64 {
    REPLAYS_PER_SUBSCRIPTION * max_subscriptions as u64
}

/// Refill rate of [`replay_burst`], in messages per second.
pub const REPLAYS_PER_SECOND: u64 = 2;

/// Time to live of a connection's items after its last message, in seconds.
pub const CONNECTION_TTL_SECONDS: i64 = 60 * 60;

/// Days from a job's creation until it expires with its events and objects, unless the environment or the job's
/// description sets another number: see [`JobRetention`](crate::retention::JobRetention).
pub const DEFAULT_JOB_RETENTION_DAYS: u32 = 7;

/// [`DEFAULT_JOB_RETENTION_DAYS`] in seconds.
pub const JOB_TTL_SECONDS: i64 = DEFAULT_JOB_RETENTION_DAYS as i64 * 24 * 60 * 60;

/// Length limit of the URL of a webhook, in bytes. It is in the job's item, so it adds to the cost of each progress update.
pub const MAX_WEBHOOK_URL_BYTES: usize = 500;

/// Longest time limit of a job, in seconds: 30 days.
pub const MAX_TIME_LIMIT_SECONDS: u64 = 30 * 24 * 60 * 60;

/// Longest time in seconds from the creation of a job to its `run_at`: 30 days.
pub const MAX_START_DELAY_SECONDS: i64 = 30 * 24 * 60 * 60;

/// Time in seconds that a job exists at least after its `run_at`.
pub const MIN_SECONDS_AFTER_START: i64 = 60 * 60;

/// Time in seconds for which a run may exceed the `run_seconds` of its job before the watchdog ends the job:
/// the run stops its stage and ends the job itself.
pub const RUN_LIMIT_GRACE_SECONDS: i64 = 20;

/// Time in seconds for which an `Idempotency-Key` returns the job that it created.
pub const IDEMPOTENCY_SECONDS: i64 = 24 * 60 * 60;

/// Length limits of an `Idempotency-Key`, in bytes. The job's keys are derived from it, so it must not be
/// guessable: a UUID has 36 bytes.
pub const MIN_IDEMPOTENCY_KEY_BYTES: usize = 16;
/// See [`MIN_IDEMPOTENCY_KEY_BYTES`].
pub const MAX_IDEMPOTENCY_KEY_BYTES: usize = 255;

/// Number of subscribers that a publisher posts to directly; the delivery function posts to the
/// rest.
pub const MAX_DIRECT_SUBSCRIBERS: usize = 500;

/// Number of consecutive claims without a finished stage and without a checkpoint after which the job is
/// failed.
pub const MAX_ATTEMPTS_WITHOUT_PROGRESS: u32 = 3;

/// Duration of the lease on a claimed job, in seconds. Each accepted write of its holder renews it.
pub const LEASE_SECONDS: i64 = 30;

/// Maximum length of the `listener` of a claim, in bytes. API Gateway's connection ids are shorter.
pub const MAX_LISTENER_ID_BYTES: usize = 128;

/// Maximum seconds after which a job that its worker hands back can be claimed again: SQS's longest delay.
pub const MAX_RELEASE_DELAY_SECONDS: u64 = 900;

/// Seconds after which a worker repeats a claim from an empty queue.
pub const EMPTY_QUEUE_RETRY_SECONDS: u32 = 5;

/// Delay of the watchdog's check after a lease has expired, in seconds: the holder's last post may
/// be in flight.
pub const WATCHDOG_MARGIN_SECONDS: i64 = 5;

/// Longest interval between two checks of a running job by the watchdog, in seconds.
pub const WATCHDOG_MAX_DELAY_SECONDS: i64 = 180;

/// Time after the expiry of an external worker's lease, in seconds, after which the watchdog fails
/// the job if no worker has claimed it.
pub const ABANDONED_AFTER_SECONDS: i64 = 15 * 60;

/// Maximum number of progress updates per second and job.
pub const MAX_UPDATES_PER_SECOND: u32 = 4;

/// Cuts a text to at most `max_bytes` on a character boundary and ends it with an ellipsis. A text
/// within the limit is unchanged.
pub fn truncate_with_ellipsis(mut text: String, max_bytes: usize) -> String {
    const ELLIPSIS: &str = "…";
    if text.len() > max_bytes {
        text.truncate(text.floor_char_boundary(max_bytes.saturating_sub(ELLIPSIS.len())));
        text.push_str(ELLIPSIS);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncation_cuts_on_a_character_boundary() {
        let cut = |text: &str, max_bytes| truncate_with_ellipsis(text.to_owned(), max_bytes);
        assert_eq!(cut("whole", 5), "whole");
        assert_eq!(cut("too long", 7), "too …");
        // The third "é" would end at the fifth byte of four.
        assert_eq!(cut("éééé", 7), "éé…");
        assert_eq!(cut("éééé", 6), "é…");
    }
}
