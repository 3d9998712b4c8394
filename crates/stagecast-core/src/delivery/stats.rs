//! Counts of a sender's messages.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::metrics::StatsSnapshot;

/// The counts since the last flush.
#[derive(Debug, Default)]
pub(super) struct DeliveryStats {
    sent: AtomicU64,
    retried: AtomicU64,
    gone: AtomicU64,
    deferred: AtomicU64,
    slowest_millis: AtomicU64,
}

impl DeliveryStats {
    pub(super) fn sent(&self, attempts: u32, took: Duration) {
        self.sent.fetch_add(1, Ordering::Relaxed);
        self.retried(attempts);
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.slowest_millis.fetch_max(millis, Ordering::Relaxed);
    }

    pub(super) fn retried(&self, attempts: u32) {
        self.retried
            .fetch_add(u64::from(attempts.saturating_sub(1)), Ordering::Relaxed);
    }

    pub(super) fn gone(&self) {
        self.gone.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn deferred(&self, messages: usize) {
        self.deferred.fetch_add(messages as u64, Ordering::Relaxed);
    }

    /// Returns the counts and resets them.
    pub(super) fn take(&self) -> StatsSnapshot {
        StatsSnapshot {
            sent: self.sent.swap(0, Ordering::Relaxed),
            retried: self.retried.swap(0, Ordering::Relaxed),
            gone: self.gone.swap(0, Ordering::Relaxed),
            deferred: self.deferred.swap(0, Ordering::Relaxed),
            slowest_millis: self.slowest_millis.swap(0, Ordering::Relaxed),
        }
    }
}
