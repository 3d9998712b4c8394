//! Time and randomness. Nothing else in the workspace asks the system for either, so a test that
//! makes its own [`Clock`] owns both.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use contract::timestamp::Timestamp;

/// Where the time comes from.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands at `now` until it is [advanced](Self::advance).
    pub fn standing_at(now: Timestamp) -> Self {
        Self(Some(Arc::new(AtomicI64::new(now.epoch_seconds()))))
    }

    /// Moves a standing clock, and all its clones, forward. Does nothing to the system's.
    pub fn advance(&self, seconds: i64) {
        if let Some(now) = &self.0 {
            now.fetch_add(seconds, Ordering::SeqCst);
        }
    }

    /// The time now.
    #[expect(clippy::disallowed_methods, reason = "the one place that asks")]
    pub fn now(&self) -> Timestamp {
        let seconds = match &self.0 {
            Some(now) => now.load(Ordering::SeqCst),
            None => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| {
                    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
                }),
        };
        Timestamp::from_epoch_seconds(seconds)
    }
}

impl Clock {
    /// Milliseconds since 1970, for what lasts less than a second.
    #[expect(clippy::disallowed_methods, reason = "the one place that asks")]
    pub fn millis(&self) -> u64 {
        let since = match &self.0 {
            Some(now) => {
                let seconds = u64::try_from(now.load(Ordering::SeqCst)).unwrap_or(0);
                return seconds * 1000;
            }
            None => SystemTime::now().duration_since(UNIX_EPOCH),
        };
        since.map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
    }
}

/// Random bytes that nobody can guess, from the operating system.
///
/// # Panics
///
/// When the operating system has no randomness to give: there is no safe way on.
#[expect(clippy::disallowed_methods, reason = "the one place that asks")]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}
