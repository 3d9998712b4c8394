//! Limits that clients and authors of pipelines notice. API Gateway's own are in `local`.

/// Largest body of `POST /v1/jobs`, in bytes. API Gateway puts a body into the function's event,
/// which Lambda limits to 6 MB: as base64, so that 4 MB always fit, or, if its media type is `text/*`,
/// `application/json`, `application/javascript` or `application/xml`, as a JSON string, in which a
/// quote, a backslash and a line break count twice. API Gateway answers a larger string with 413.
pub const MAX_INPUT_BYTES: usize = 4 * 1024 * 1024;

/// Largest message that `@connections` takes, in bytes of the frame.
pub const MAX_MESSAGE_BYTES: usize = 128 * 1024;

/// Results over this many bytes of JSON go to the bucket; the message carries their address.
pub const MAX_INLINE_RESULTS_BYTES: usize = 32 * 1024;

/// Largest answer with results in its body, in bytes; larger ones are a redirect to the bucket.
/// What a function returns is limited, too: see [`MAX_ANSWER_STRING_BYTES`].
pub const MAX_RESULTS_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Largest body of an answer as the JSON string that a function returns it in, in bytes: a quote
/// counts twice. Lambda takes 6 MB and 100 bytes, headers included.
pub const MAX_ANSWER_STRING_BYTES: usize = 6 * 1024 * 1024 - 16 * 1024;

/// Results in the answer to a claim, as bytes of the JSON string that a function returns them in.
/// Stages whose results no longer fit come with their address.
pub const MAX_CLAIM_RESULTS_BYTES: usize = 4 * 1024 * 1024;

/// Deepest nesting of arrays and objects in results. Most JSON parsers take 128 levels, some of which
/// the messages around the results need.
pub const MAX_RESULTS_DEPTH: usize = 120;

/// Largest client message that is looked at, in bytes. The largest valid one is under 1 KB.
pub const MAX_CLIENT_MESSAGE_BYTES: usize = 8 * 1024;

/// Largest body of `POST /v1/jobs/{job_id}/events` and of a claim, in bytes. As with
/// [`MAX_INPUT_BYTES`], a body sent as `application/json` can be too large for Lambda before that; sent
/// as `application/octet-stream`, it is not.
pub const MAX_EVENTS_BYTES: usize = 4 * 1024 * 1024;

/// Events of one `POST /v1/jobs/{job_id}/events`.
pub const MAX_EVENTS: usize = 10;

/// Stages that a worker of its own may declare.
pub const MAX_STAGES: usize = 50;

/// Longest name of a stage and longest `code` of a failure, in bytes. A longer code is cut.
pub const MAX_NAME_BYTES: usize = 64;

/// Longest message for people that a stage may give, in bytes; a longer one is cut. It is in the
/// job's item, which each progress update pays for.
pub const MAX_TEXT_BYTES: usize = 1024;

/// Longest remaining time that a worker may give, in seconds: a year.
pub const MAX_REMAINING_SECONDS: u64 = 365 * 24 * 60 * 60;

/// Jobs that one connection may be subscribed to at a time, unless the environment says otherwise.
pub const DEFAULT_MAX_SUBSCRIPTIONS: u32 = 20;

/// Messages that a connection may be sent at once by its own subscriptions, for each subscription that
/// it may have: a subscription counts as one, and so does each event of the log that it brings. Enough
/// for the longest log of an external worker's job.
pub const REPLAYS_PER_SUBSCRIPTION: u64 = 60;
const _: () = assert!(REPLAYS_PER_SUBSCRIPTION > MAX_STAGES as u64 + 1);

/// Messages that a connection which may have so many subscriptions may be sent at once by them.
pub const fn replay_burst(max_subscriptions: u32) -> u64 {
    REPLAYS_PER_SUBSCRIPTION * max_subscriptions as u64
}

/// Messages by which that allowance grows again each second.
pub const REPLAYS_PER_SECOND: u64 = 2;

/// Life of a connection's items after the last sign of life, in seconds.
pub const CONNECTION_TTL_SECONDS: i64 = 60 * 60;

/// Life of a job, its events and its objects after its creation, in seconds.
pub const JOB_TTL_SECONDS: i64 = 7 * 24 * 60 * 60;

/// Subscribers that a publisher reads and posts to itself; the rest is the delivery function's.
pub const MAX_DIRECT_SUBSCRIBERS: usize = 500;

/// Claims of a job without a stage finished between them before the job is failed.
pub const MAX_ATTEMPTS_WITHOUT_PROGRESS: u32 = 3;

/// How long a claimed job belongs to its runner without a renewal, in seconds.
pub const LEASE_SECONDS: i64 = 30;

/// How long after the end of a lease the watchdog looks at the job, in seconds: the holder's last
/// post may be on its way.
pub const WATCHDOG_MARGIN_SECONDS: i64 = 5;

/// Longest time between two looks of the watchdog at a job that is not queued, in seconds.
pub const WATCHDOG_MAX_DELAY_SECONDS: i64 = 180;

/// An external worker that has not renewed its lease for this long after the lease has ended, and
/// that no other worker has replaced, has its job failed. In seconds.
pub const ABANDONED_AFTER_SECONDS: i64 = 15 * 60;

/// Progress updates a second per job, at most.
pub const MAX_UPDATES_PER_SECOND: u32 = 4;

/// The beginning of a text that is longer than `max_bytes`, with an ellipsis.
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
    fn long_text_is_cut_between_two_characters() {
        let cut = |text: &str, max_bytes| truncate_with_ellipsis(text.to_owned(), max_bytes);
        assert_eq!(cut("whole", 5), "whole");
        assert_eq!(cut("too long", 7), "too …");
        // The third "é" would end at the fifth byte of four.
        assert_eq!(cut("éééé", 7), "éé…");
        assert_eq!(cut("éééé", 6), "é…");
    }
}
