//! The polling of a watch over HTTP.

use std::time::Duration;

use crate::backoff::Backoff;

/// The bounds of the interval that the service asks for.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(1);
/// Spreads the requests of clients that started together, as a part of the interval.
const JITTER: f64 = 0.1;
/// A request without a response within this time has failed.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Poll {
    /// When the next request is sent, or the pending one has failed.
    at: Duration,
    is_pending: bool,
    failures: u32,
}

impl Poll {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            at: now,
            is_pending: false,
            failures: 0,
        }
    }

    pub(super) fn next_tick(&self) -> Duration {
        self.at
    }

    pub(super) fn is_due(&self, now: Duration) -> bool {
        self.at <= now
    }

    pub(super) fn sent(&mut self, now: Duration) {
        self.failures += u32::from(self.is_pending);
        self.is_pending = true;
        self.at = now + RESPONSE_TIMEOUT;
    }

    pub(super) fn answered(&mut self) {
        self.is_pending = false;
        self.failures = 0;
    }

    pub(super) fn schedule(
        &mut self,
        now: Duration,
        at_once: bool,
        retry_after: Option<u32>,
        random: f64,
    ) {
        if at_once {
            self.at = now;
            return;
        }
        let asked = retry_after.map_or(LONGEST, |seconds| Duration::from_secs(seconds.into()));
        self.at = now
            + asked
                .clamp(SHORTEST, LONGEST)
                .mul_f64(1.0 + JITTER * random);
    }

    pub(super) fn failed(&mut self, now: Duration, random: f64) {
        self.is_pending = false;
        self.failures += 1;
        self.at = now + Backoff::RECONNECT.wait(self.failures, random);
    }
}
