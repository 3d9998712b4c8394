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
const LONGEST: Duration = Duration::from_secs(1);

/// Where posts wait while others go first.
#[derive(Debug, Default)]
pub(super) struct Gate {
    until: Mutex<Option<Instant>>,
    opened: Notify,
}

/// While it lives, but no longer than a second, no post begins.
#[derive(Debug)]
#[must_use = "posts make way while it lives"]
pub struct Way(Arc<Gate>);

impl Gate {
    /// Has posts make way from now on.
    pub(super) fn clear_way(self: &Arc<Self>) -> Way {
        self.set(Some(Instant::now() + LONGEST));
        Way(Arc::clone(self))
    }

    /// Waits until posts may begin.
    pub(super) async fn pass(&self) {
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

impl Drop for Way {
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
        let gate = Arc::<Gate>::default();
        let way = gate.clear_way();
        let start = Instant::now();
        let first = async {
            tokio::time::sleep(LONGEST / 2).await;
            drop(way);
        };
        tokio::join!(first, gate.pass());
        assert_eq!(start.elapsed(), LONGEST / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_goes_first_and_gets_nowhere_is_not_waited_for_by_each_in_turn() {
        let gate = Arc::<Gate>::default();
        let start = Instant::now();
        let _way = gate.clear_way();
        for _ in 0..3 {
            gate.pass().await;
        }
        assert_eq!(start.elapsed(), LONGEST);
    }
}
