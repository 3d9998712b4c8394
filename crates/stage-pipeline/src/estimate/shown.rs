//! The remaining time that is shown: it counts down, and follows new estimates without jumps.

use serde::{Deserialize, Serialize};

use super::stored;

/// Largest change per second beyond the passage of time, as a logarithm.
const LARGEST_CHANGE_PER_SECOND: f64 = 0.15;
/// Largest change of one update, as a logarithm: below 20 %.
const LARGEST_CHANGE: f64 = 0.17;
/// A difference of more than this, as a logarithm, is shown at once: the old value would mislead for too
/// long.
const SURPRISE: f64 = 1.0;
/// Share of the remaining time in which the shown time follows a new estimate.
const FOLLOW_SHARE: f64 = 0.05;

/// The remaining seconds that are shown.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Shown(#[serde(with = "stored")] pub(super) f64);

impl Shown {
    /// The remaining seconds, `since` seconds after they were last computed.
    pub(super) fn after(self, since: f64) -> f64 {
        (self.0 - since).max(0.0)
    }

    /// Lets `seconds` pass.
    pub(super) fn count_down(&mut self, seconds: f64) {
        self.0 = self.after(seconds);
    }

    /// Follows the estimate `target`, `since` seconds after the last one, which have been counted down.
    pub(super) fn follow(&mut self, target: f64, since: f64) {
        if target <= 0.0 {
            self.0 = 0.0;
            return;
        }
        // Around a second, ratios say nothing.
        let (from, to) = (self.0 + 1.0, target + 1.0);
        let difference = (to / from).ln();
        if difference.abs() > SURPRISE {
            self.0 = target;
            return;
        }
        let time_constant = (FOLLOW_SHARE * target).max(0.5);
        let follow = 1.0 - (-since / time_constant).exp();
        let limit = (LARGEST_CHANGE_PER_SECOND * since).min(LARGEST_CHANGE);
        let change = (follow * difference).clamp(-limit, limit);
        self.0 = (from * change.exp() - 1.0).max(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_time_follows_an_estimate_without_a_jump() {
        let mut shown = Shown(100.0);
        let mut values = vec![shown.0];
        for _ in 0..40 {
            shown.count_down(1.0);
            shown.follow(150.0, 1.0);
            values.push(shown.0);
        }
        assert!((shown.0 - 150.0).abs() < 8.0, "{}", shown.0);
        for pair in values.windows(2) {
            assert!((pair[1] - pair[0] + 1.0).abs() < 0.2 * pair[0]);
        }
    }

    #[test]
    fn surprising_estimate_is_shown_at_once() {
        let mut shown = Shown(10.0);
        shown.follow(600.0, 0.25);
        assert_eq!(shown, Shown(600.0));
    }
}
