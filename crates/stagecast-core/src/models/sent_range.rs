//! The part of a job's log that was sent already, so that a repeated request does not send it again.

use serde::{Deserialize, Serialize};

/// A range of events by `seq`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentRange {
    /// The `seq` before the first event of the range.
    pub after: u64,
    /// The `seq` of the last event of the range.
    pub through: u64,
}

impl SentRange {
    /// The `seq` after which a request for the log after `after` is served, if `sent` was sent before.
    pub fn unsent_after(sent: Option<Self>, after: u64) -> u64 {
        match sent {
            Some(sent) if sent.after <= after => after.max(sent.through),
            // The request includes earlier events. Events are sent in order, so all are sent.
            Some(_) | None => after,
        }
    }

    /// The range after the events from `after` (exclusive) to `through` were sent as well.
    #[must_use]
    pub fn extended(sent: Option<Self>, after: u64, through: u64) -> Self {
        match sent {
            Some(sent) if sent.after <= after && after <= sent.through => Self {
                after: sent.after,
                through: sent.through.max(through),
            },
            // Of two ranges with a gap between them, the later one is kept.
            Some(_) | None => Self { after, through },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn range(after: u64, through: u64) -> SentRange {
        SentRange { after, through }
    }

    #[test]
    fn first_request_is_served_in_full() {
        assert_eq!(SentRange::unsent_after(None, 0), 0);
        assert_eq!(SentRange::unsent_after(None, 7), 7);
    }

    #[test]
    fn repeated_request_is_served_after_the_sent_range() {
        assert_eq!(SentRange::unsent_after(Some(range(0, 5)), 0), 5);
        assert_eq!(SentRange::unsent_after(Some(range(0, 5)), 3), 5);
        assert_eq!(SentRange::unsent_after(Some(range(0, 5)), 5), 5);
        assert_eq!(SentRange::unsent_after(Some(range(0, 5)), 8), 8);
    }

    #[test]
    fn request_for_earlier_events_is_served_in_full() {
        assert_eq!(SentRange::unsent_after(Some(range(3, 5)), 2), 2);
    }

    #[test]
    fn adjoining_ranges_are_merged_and_gaps_are_not_covered() {
        assert_eq!(SentRange::extended(None, 2, 5), range(2, 5));
        assert_eq!(SentRange::extended(Some(range(0, 5)), 5, 7), range(0, 7));
        assert_eq!(SentRange::extended(Some(range(0, 5)), 3, 7), range(0, 7));
        assert_eq!(SentRange::extended(Some(range(0, 5)), 6, 7), range(6, 7));
        assert_eq!(SentRange::extended(Some(range(3, 5)), 0, 5), range(0, 5));
    }

    #[test]
    fn repeated_requests_send_each_event_at_most_twice() {
        const LOG: u64 = 6;
        // Every pair of alternating requests, 50 times each.
        for first in 0..=LOG {
            for second in 0..=LOG {
                let (mut sent, mut events) = (None, 0);
                for after in [first, second].repeat(50) {
                    let from = SentRange::unsent_after(sent, after);
                    events += LOG - from;
                    if from < LOG {
                        sent = Some(SentRange::extended(sent, from, LOG));
                    }
                }
                assert!(events <= 2 * LOG, "{first}, {second}: {events} events");
            }
        }
    }
}
