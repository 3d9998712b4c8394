//! A shared throttle: when many connections are throttled at once, it is the account that is.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Throttled connections within a [`WINDOW`] that mean the account, not slow clients.
const THROTTLED_CONNECTIONS_THRESHOLD: usize = 5;
const WINDOW: Duration = Duration::from_secs(1);
/// Longest pause.
const CEILING: Duration = Duration::from_secs(2);

/// Holds all posts back for a while once many connections have been throttled.
#[derive(Debug, Default)]
pub(super) struct AccountThrottle(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    window_start: Option<Instant>,
    throttled: HashSet<String>,
    level: u32,
    until: Option<Instant>,
}

impl AccountThrottle {
    /// Notes that a connection was throttled.
    pub(super) fn throttled(&self, connection_id: &str) {
        let now = Instant::now();
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state
            .window_start
            .is_none_or(|start| now.duration_since(start) > WINDOW)
        {
            state.window_start = Some(now);
            state.throttled.clear();
        }
        state.throttled.insert(connection_id.to_owned());
        let braking = state.until.is_some_and(|until| now < until);
        if state.throttled.len() >= THROTTLED_CONNECTIONS_THRESHOLD && !braking {
            let ceiling = (Duration::from_millis(50) * 2_u32.pow(state.level.min(6))).min(CEILING);
            // At least half: a pause that may be nothing is no throttle.
            state.until = Some(now + ceiling.mul_f64(0.5 + fastrand::f64() / 2.0));
            state.level = (state.level + 1).min(6);
            state.throttled.clear();
        }
    }

    /// Notes a post that went through.
    pub(super) fn succeeded(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.until.is_none_or(|until| Instant::now() >= until) {
            state.level = state.level.saturating_sub(1);
        }
    }

    /// Waits until posts may go on.
    pub(super) async fn wait(&self) {
        loop {
            let until = self.0.lock().unwrap_or_else(PoisonError::into_inner).until;
            match until {
                Some(until) if Instant::now() < until => tokio::time::sleep_until(until).await,
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_slow_client_does_not_brake_the_others() {
        let throttle = AccountThrottle::default();
        for _ in 0..100 {
            throttle.throttled("slow");
        }
        let start = Instant::now();
        throttle.wait().await;
        assert_eq!(Instant::now(), start);
    }

    #[tokio::test(start_paused = true)]
    async fn many_throttled_connections_brake_all_and_longer_each_time() {
        let throttle = AccountThrottle::default();
        let mut pauses = Vec::new();
        for _ in 0..3 {
            for connection in 0..THROTTLED_CONNECTIONS_THRESHOLD {
                throttle.throttled(&connection.to_string());
            }
            let start = Instant::now();
            throttle.wait().await;
            pauses.push(Instant::now() - start);
        }
        assert!(pauses[0] >= Duration::from_millis(25), "{pauses:?}");
        assert!(pauses[2] >= Duration::from_millis(100), "{pauses:?}");
    }
}
