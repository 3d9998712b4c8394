//! Time and randomness. Clippy refuses other uses of the system's clock and random source, so tests
//! control the time with a [`Clock`].

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use stagecast_contract::timestamp::Timestamp;

/// A source of time: the system's clock, or a clock that a test controls.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock of a test, which shows `now` until it is [advanced](Self::advance).
    pub fn standing_at(now: Timestamp) -> Self {
        Self(Some(Arc::new(AtomicI64::new(now.epoch_seconds()))))
    }

    /// Moves a test's clock and all its clones forward. Does nothing to the system's clock.
    pub fn advance(&self, seconds: i64) {
        if let Some(now) = &self.0 {
            now.fetch_add(seconds, Ordering::SeqCst);
        }
    }

    /// The current time, in whole seconds.
    #[expect(
        clippy::disallowed_methods,
        reason = "the only use of the system's source"
    )]
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
    /// The current time in milliseconds since 1970.
    #[expect(
        clippy::disallowed_methods,
        reason = "the only use of the system's source"
    )]
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

/// Cryptographically secure random bytes from the operating system.
///
/// # Panics
///
/// When the operating system returns no random bytes. Ids and keys would be predictable without them.
#[expect(
    clippy::disallowed_methods,
    reason = "the only use of the system's source"
)]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system returns random bytes");
    bytes
}
