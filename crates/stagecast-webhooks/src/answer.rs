//! Whether a receiver has a webhook.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use stagecast_contract::timestamp::Timestamp;

/// The number of characters of a receiver's body that a log record has.
const SHOWN_CHARACTERS: usize = 200;

/// What a receiver's response means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The receiver has the webhook.
    Delivered,
    /// The receiver wants no webhooks any more: 410.
    Gone,
    /// The webhook is posted again.
    Failed {
        /// The status and the beginning of the body.
        cause: String,
        /// How long the receiver asks to wait.
        wait: Option<Duration>,
    },
}

impl Answer {
    /// The meaning of a response that was received at `now`. `body` is its beginning.
    pub(crate) fn of(status: StatusCode, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Self {
        if status.is_success() {
            return Self::Delivered;
        }
        if status == StatusCode::GONE {
            return Self::Gone;
        }
        let asks_to_wait =
            status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE;
        let cause = if status.is_redirection() {
            format!("the receiver redirects with {status}, which webhooks do not follow")
        } else {
            let body = String::from_utf8_lossy(body);
            let shown: String = body.trim().chars().take(SHOWN_CHARACTERS).collect();
            format!("the receiver responded with {status}: {shown}")
        };
        Self::Failed {
            cause,
            wait: asks_to_wait.then(|| retry_after(headers, now)).flatten(),
        }
    }
}

/// The wait in `retry-after`: a number of seconds, or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let date = date.duration_since(std::time::UNIX_EPOCH).ok()?;
    let now = u64::try_from(now.epoch_seconds()).ok()?;
    Some(date.saturating_sub(Duration::from_secs(now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-01-15T10:30:15Z.
    const NOW: Timestamp = Timestamp::from_epoch_seconds(1_705_314_615);

    fn answer(status: u16, retry_after: Option<&str>) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert(RETRY_AFTER, value.parse().expect("a value"));
        }
        let status = StatusCode::from_u16(status).expect("a status");
        Answer::of(status, &headers, b"  no\n", NOW)
    }

    fn wait(status: u16, retry_after: &str) -> Option<u64> {
        match answer(status, Some(retry_after)) {
            Answer::Failed { wait, .. } => wait.map(|wait| wait.as_secs()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_2xx_is_a_delivery_and_410_is_the_end() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(answer(status, None), Answer::Delivered, "{status}");
        }
        assert_eq!(answer(410, None), Answer::Gone);
        for status in [100, 300, 301, 307, 400, 401, 404, 429, 500, 503, 599, 999] {
            let failed = answer(status, None);
            assert!(
                matches!(failed, Answer::Failed { .. }),
                "{status}: {failed:?}"
            );
        }
    }

    #[test]
    fn cause_has_the_status_and_the_body() {
        let Answer::Failed { cause, wait } = answer(500, None) else {
            panic!("it failed");
        };
        assert_eq!(
            cause,
            "the receiver responded with 500 Internal Server Error: no"
        );
        assert_eq!(wait, None);
        let Answer::Failed { cause, .. } = answer(302, None) else {
            panic!("it failed");
        };
        assert!(cause.contains("redirects with 302"), "{cause}");
    }

    #[test]
    fn wait_is_read_from_429_and_503_as_seconds_and_as_a_date() {
        assert_eq!(wait(429, "120"), Some(120));
        assert_eq!(wait(503, "Mon, 15 Jan 2024 10:31:15 GMT"), Some(60));
        assert_eq!(wait(503, "Mon, 15 Jan 2024 10:29:15 GMT"), Some(0));
        assert_eq!(wait(500, "120"), None);
        for invalid in ["", "-1", "soon", "99999999999999999999"] {
            assert_eq!(wait(429, invalid), None, "{invalid}");
        }
    }
}
