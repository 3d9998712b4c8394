//! The way that posts make for calls that a job waits for, which would take their turns among the
//! posts to its whole audience.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

/// Longest time that posts make way: a table that does not answer holds up nobody's messages.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// Where posts wait while others go first.
#[derive(Debug, Default)]
pub(super) struct SendGate {
    until: Mutex<Option<Instant>>,
    opened: Notify,
}

/// While it lives, but no longer than a second, no post begins.
#[derive(Debug)]
#[must_use = "posts make way while it lives"]
pub struct PauseGuard(Arc<SendGate>);

impl SendGate {
    /// Has posts make way from now on.
    pub(super) fn pause(self: &Arc<Self>) -> PauseGuard {
        self.set(Some(Instant::now() + MAX_PAUSE));
        PauseGuard(Arc::clone(self))
    }

    /// Waits until posts may begin.
    pub(super) async fn wait_until_open(&self) {
        loop {
            let opened = self.opened.notified();
            tokio::pin!(opened);
            opened.as_mut().enable();
            let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
            match until {
                // Whether it was opened or has stood long enough is looked at again.
                Some(until) if Instant::now() < until => drop(timeout_at(until, opened).await),
                _ => return,
            }
        }
    }

    fn set(&self, until: Option<Instant>) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

impl Drop for PauseGuard {
    fn drop(&mut self) {
        self.0.set(None);
        self.0.opened.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn posts_wait_for_whoever_goes_first() {
        let gate = Arc::<SendGate>::default();
        let pause = gate.pause();
        let start = Instant::now();
        let first = async {
            tokio::time::sleep(MAX_PAUSE / 2).await;
            drop(pause);
        };
        tokio::join!(first, gate.wait_until_open());
        assert_eq!(start.elapsed(), MAX_PAUSE / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_goes_first_and_gets_nowhere_is_not_waited_for_by_each_in_turn() {
        let gate = Arc::<SendGate>::default();
        let start = Instant::now();
        let _pause = gate.pause();
        for _ in 0..3 {
            gate.wait_until_open().await;
        }
        assert_eq!(start.elapsed(), MAX_PAUSE);
    }
}
