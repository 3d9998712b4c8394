//! Which part of a job's log has been sent already, so that a repeated request does not send it again.

use serde::{Deserialize, Serialize};

/// The events after one `seq` and through another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentRange {
    /// The `seq` before the first event of the range.
    pub after: u64,
    /// The `seq` of the last event of the range.
    pub through: u64,
}

impl SentRange {
    /// The `seq` after which a request for the log after `after` still has to be served, when `sent`
    /// has been sent before.
    pub fn unsent_after(sent: Option<Self>, after: u64) -> u64 {
        match sent {
            Some(sent) if sent.after <= after => after.max(sent.through),
            // The request asks for earlier events too. They come in order, so all of them come.
            Some(_) | None => after,
        }
    }

    /// The range once the events after `after` and through `through` have been sent as well.
    #[must_use]
    pub fn extended(sent: Option<Self>, after: u64, through: u64) -> Self {
        match sent {
            Some(sent) if sent.after <= after && after <= sent.through => Self {
                after: sent.after,
                through: sent.through.max(through),
            },
            // Two ranges with a hole between them are kept as the later one.
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
    fn a_request_is_served_in_full_when_nothing_was_sent() {
        assert_eq!(SentRange::unsent_after(None, 0), 0);
        assert_eq!(SentRange::unsent_after(None, 7), 7);
    }

    #[test]
    fn a_repeated_request_is_served_only_beyond_what_was_sent() {
        assert_eq!(SentRange::unsent_after(Some(range(0, 5)), 0), 5);
        assert_eq!(SentRange::unsent_after(Some(range(0, 5)), 3), 5);
        assert_eq!(SentRange::unsent_after(Some(range(0, 5)), 5), 5);
        assert_eq!(SentRange::unsent_after(Some(range(0, 5)), 8), 8);
    }

    #[test]
    fn a_request_for_earlier_events_is_served_in_full() {
        assert_eq!(SentRange::unsent_after(Some(range(3, 5)), 2), 2);
    }

    #[test]
    fn adjoining_ranges_become_one_and_a_hole_is_never_covered() {
        assert_eq!(SentRange::extended(None, 2, 5), range(2, 5));
        assert_eq!(SentRange::extended(Some(range(0, 5)), 5, 7), range(0, 7));
        assert_eq!(SentRange::extended(Some(range(0, 5)), 3, 7), range(0, 7));
        assert_eq!(SentRange::extended(Some(range(0, 5)), 6, 7), range(6, 7));
        assert_eq!(SentRange::extended(Some(range(3, 5)), 0, 5), range(0, 5));
    }

    #[test]
    fn repeating_requests_of_any_kind_sends_a_log_a_bounded_number_of_times() {
        const LOG: u64 = 6;
        // Every order of two alternating requests, many times over.
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
