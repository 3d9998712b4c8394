//! A throttle for all posts of a sender, for when API Gateway throttles the account.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Throttled connections within a [`WINDOW`] that indicate that the account is throttled. Fewer indicate
/// slow clients.
const THROTTLED_CONNECTIONS_THRESHOLD: usize = 5;
const WINDOW: Duration = Duration::from_secs(1);
/// Longest pause.
const CEILING: Duration = Duration::from_secs(2);

/// Pauses all posts once many connections were throttled. The pause doubles while throttling persists.
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
    /// Records that a post to the connection was throttled.
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
        let is_paused = state.until.is_some_and(|until| now < until);
        if state.throttled.len() >= THROTTLED_CONNECTIONS_THRESHOLD && !is_paused {
            let ceiling = (Duration::from_millis(50) * 2_u32.pow(state.level.min(6))).min(CEILING);
            // Jitter over the upper half only, because a pause near zero would have no effect.
            state.until = Some(now + ceiling.mul_f64(0.5 + fastrand::f64() / 2.0));
            state.level = (state.level + 1).min(6);
            state.throttled.clear();
        }
    }

    /// Records a successful post.
    pub(super) fn succeeded(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.until.is_none_or(|until| Instant::now() >= until) {
            state.level = state.level.saturating_sub(1);
        }
    }

    /// Waits until the pause is over, if there is one.
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
    async fn one_slow_client_does_not_pause_the_others() {
        let throttle = AccountThrottle::default();
        for _ in 0..100 {
            throttle.throttled("slow");
        }
        let start = Instant::now();
        throttle.wait().await;
        assert_eq!(Instant::now(), start);
    }

    #[tokio::test(start_paused = true)]
    async fn many_throttled_connections_pause_all_posts_increasingly() {
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
