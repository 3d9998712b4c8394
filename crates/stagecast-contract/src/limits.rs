//! Limits of the APIs and of pipelines. API Gateway's own limits are in `local`.

/// Largest body of `POST /v1/jobs`, in bytes. API Gateway puts a body into the function's event,
/// which Lambda limits to 6 MB: as base64, so that 4 MB always fit, or, if its media type is `text/*`,
/// `application/json`, `application/javascript` or `application/xml`, as a JSON string, in which a
/// quote, a backslash and a line break count twice. API Gateway answers a larger string with 413.
pub const MAX_INPUT_BYTES: usize = 4 * 1024 * 1024;

/// Largest message that `@connections` takes, in bytes of the frame.
pub const MAX_MESSAGE_BYTES: usize = 128 * 1024;

/// Results over this many bytes of JSON go to the bucket; the message carries their address.
pub const MAX_INLINE_RESULTS_BYTES: usize = 32 * 1024;

/// Largest response with results in its body, in bytes; larger results are served by a redirect to
/// the bucket. The function's response has a limit, too: see [`MAX_RESPONSE_STRING_BYTES`].
pub const MAX_RESULTS_RESPONSE_BYTES: usize = 4 * 1024 * 1024;

/// Largest body of a response as the JSON string in which a function returns it, in bytes: a quote
/// counts twice. Lambda's limit is 6 MB and 100 bytes, headers included.
pub const MAX_RESPONSE_STRING_BYTES: usize = 6 * 1024 * 1024 - 16 * 1024;

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

/// Time to live of a job, its events and its objects after the job's creation, in seconds.
pub const JOB_TTL_SECONDS: i64 = 7 * 24 * 60 * 60;

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

/// Number of consecutive claims without a finished stage after which the job is failed.
pub const MAX_ATTEMPTS_WITHOUT_PROGRESS: u32 = 3;

/// Duration of the lease on a claimed job, in seconds. Each accepted write of its holder renews it.
pub const LEASE_SECONDS: i64 = 30;

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
