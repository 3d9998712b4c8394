//! The priority of writes over posts: the calls that a job waits for would otherwise queue behind the posts
//! to all of its subscribers.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

/// Longest pause of posts, so that a table that does not respond does not stop all messages.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// The gate that posts wait at while they are paused.
#[derive(Debug, Default)]
pub(super) struct SendGate {
    until: Mutex<Option<Instant>>,
    opened: Notify,
}

/// Posts are paused until the guard is dropped, for at most [`MAX_PAUSE`].
#[derive(Debug)]
#[must_use = "posts are paused until it is dropped"]
pub struct PauseGuard(Arc<SendGate>);

impl SendGate {
    /// Pauses posts from now on.
    pub(super) fn pause(self: &Arc<Self>) -> PauseGuard {
        self.set(Some(Instant::now() + MAX_PAUSE));
        PauseGuard(Arc::clone(self))
    }

    /// Waits until posts are not paused.
    pub(super) async fn wait_until_open(&self) {
        loop {
            let opened = self.opened.notified();
            tokio::pin!(opened);
            opened.as_mut().enable();
            let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
            match until {
                // The loop checks again whether the gate is open or the pause has expired.
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
    async fn posts_wait_until_the_pause_ends() {
        let gate = Arc::<SendGate>::default();
        let pause = gate.pause();
        let start = Instant::now();
        let write = async {
            tokio::time::sleep(MAX_PAUSE / 2).await;
            drop(pause);
        };
        tokio::join!(write, gate.wait_until_open());
        assert_eq!(start.elapsed(), MAX_PAUSE / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn longest_pause_applies_once_to_all_posts() {
        let gate = Arc::<SendGate>::default();
        let start = Instant::now();
        let _pause = gate.pause();
        for _ in 0..3 {
            gate.wait_until_open().await;
        }
        assert_eq!(start.elapsed(), MAX_PAUSE);
    }
}
