//! The queue of messages of one connection.

use std::collections::VecDeque;

use bytes::Bytes;

/// A message to send, serialized once for all recipients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// A message of the log. It must be delivered, in order.
    Durable {
        /// The position of the message among the job's durable messages.
        seq: u64,
        /// The message.
        message: Bytes,
    },
    /// A progress update, which a newer one replaces.
    Latest {
        /// The message.
        message: Bytes,
    },
    /// The notice that the token of the subscription has expired, in place of another message.
    TokenExpired {
        /// The expiry of the token, in epoch seconds.
        expires_at: i64,
        /// The `seq` of the durable message that is not sent; none in place of a progress update.
        instead_of: Option<u64>,
        /// The notice.
        message: Bytes,
    },
}

impl Outgoing {
    pub(super) fn message(&self) -> &Bytes {
        match self {
            Self::Durable { message, .. }
            | Self::Latest { message }
            | Self::TokenExpired { message, .. } => message,
        }
    }

    /// The `seq` of the durable message, or of the one that is not sent.
    pub(super) const fn seq(&self) -> Option<u64> {
        match self {
            Self::Durable { seq, .. } => Some(*seq),
            Self::Latest { .. } => None,
            Self::TokenExpired { instead_of, .. } => *instead_of,
        }
    }
}

/// The durable messages, from the first to the last `seq`, in whose place a connection was sent a notice.
pub(super) type Withheld = (u64, u64);

/// The messages of one connection that wait to be sent, and the state of its worker.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    waiting: VecDeque<Outgoing>,
    /// Whether a task is sending messages. There is one at most, which keeps the order.
    busy: bool,
    /// Messages for which a delivery task is being queued.
    deferring: u32,
    /// The `seq` of the last durable message that was sent.
    sent_seq: Option<u64>,
    /// The expiry of the token about which a notice is waiting or was sent.
    noticed: Option<i64>,
    /// The durable messages in place of that notice.
    withheld: Option<Withheld>,
    state: State,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    /// The connection has ended: messages are discarded.
    Gone,
    /// A durable message was deferred to the delivery function. Later ones are deferred too, because they
    /// would overtake it otherwise.
    Deferred,
    /// All waiting messages were handed off to the delivery function while a post was in flight. Nothing is
    /// sent until the worker has ended; then the state is [`Self::Deferred`].
    HandedOff,
}

/// What the caller has to do after [`Mailbox::put`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing: the worker will send the message, or it was discarded.
    Nothing,
    /// Start a worker.
    Work,
    /// Defer the message to the delivery function.
    Defer,
}

impl Mailbox {
    pub(super) fn put(&mut self, outgoing: Outgoing) -> Next {
        match (&self.state, &outgoing) {
            (State::Deferred | State::HandedOff, outgoing) if outgoing.seq().is_some() => {
                self.deferring += 1;
                return Next::Defer;
            }
            (State::Gone | State::HandedOff, _) => return Next::Nothing,
            _ => {}
        }
        if let Outgoing::TokenExpired {
            expires_at,
            instead_of,
            ..
        } = &outgoing
        {
            if let Some(seq) = *instead_of {
                self.withheld = Some(match self.withheld {
                    Some((first, _)) => (first, seq),
                    None => (seq, seq),
                });
            }
            if self.noticed.replace(*expires_at) == Some(*expires_at) {
                return Next::Nothing;
            }
        } else {
            // The subscription was extended or opened again.
            self.noticed = None;
        }
        // A newer progress update replaces a waiting one. Durable messages are never replaced or
        // overtaken.
        if matches!(outgoing, Outgoing::Latest { .. })
            && matches!(self.waiting.back(), Some(Outgoing::Latest { .. }))
        {
            self.waiting.pop_back();
        }
        self.waiting.push_back(outgoing);
        if self.busy {
            Next::Nothing
        } else {
            self.busy = true;
            Next::Work
        }
    }

    /// The next message for the worker. The worker ends when there is none.
    pub(super) fn take(&mut self) -> Option<Outgoing> {
        let next = self.waiting.pop_front();
        self.busy = next.is_some();
        if !self.busy && self.state == State::HandedOff {
            self.state = State::Deferred;
        }
        next
    }

    /// Records that the delivery task for a message with [`Next::Defer`] was queued.
    pub(super) fn deferred(&mut self) {
        self.deferring = self.deferring.saturating_sub(1);
    }

    /// Records that a durable message was sent.
    pub(super) fn sent(&mut self, seq: u64) {
        self.sent_seq = Some(seq);
    }

    /// Records that the notice about an expired token was sent: the client subscribes again to what is in its place.
    pub(super) fn notice_sent(&mut self) {
        self.withheld = None;
    }

    /// Records that the notice about an expired token could not be sent: the next message is replaced by another one.
    /// Returns the durable messages in its place and after it, which the caller defers, if there are any.
    pub(super) fn notice_failed(&mut self) -> Option<Withheld> {
        self.noticed = None;
        let (first, last) = self.withheld?;
        Some((
            first,
            self.defer().map_or(last, |waiting| waiting.max(last)),
        ))
    }

    /// The `seq` of the last durable message that was sent, if any.
    pub(super) fn sent_seq(&self) -> Option<u64> {
        self.sent_seq
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether a message is being sent or deferred.
    pub(super) fn is_unfinished(&self) -> bool {
        self.busy || self.deferring > 0
    }

    /// Whether messages are discarded, for now or for good.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.state, State::Gone | State::HandedOff)
    }

    /// Closes the mailbox of a connection that has ended.
    pub(super) fn close(&mut self) {
        self.state = State::Gone;
        self.waiting.clear();
    }

    /// Removes all waiting messages, which the caller hands off to the delivery function. Later durable
    /// messages are deferred.
    pub(super) fn hand_off(&mut self) {
        if self.busy && self.state != State::Gone {
            self.state = State::HandedOff;
            self.waiting.clear();
            (self.noticed, self.withheld) = (None, None);
        }
    }

    /// Defers all durable messages from now on, including the waiting ones. Returns the `seq` of the last
    /// waiting one.
    pub(super) fn defer(&mut self) -> Option<u64> {
        self.state = State::Deferred;
        let last = self.waiting.iter().rev().find_map(Outgoing::seq);
        let withheld = self.withheld.take().map(|(_, last)| last);
        self.noticed = None;
        self.waiting
            .retain(|outgoing| matches!(outgoing, Outgoing::Latest { .. }));
        last.max(withheld)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn durable(seq: u64) -> Outgoing {
        Outgoing::Durable {
            seq,
            message: Bytes::from(seq.to_string()),
        }
    }

    fn latest(text: &'static str) -> Outgoing {
        Outgoing::Latest {
            message: Bytes::from(text),
        }
    }

    #[test]
    fn newer_progress_replaces_waiting_progress_and_passes_nothing() {
        let mut mailbox = Mailbox::default();
        assert_eq!(mailbox.put(latest("a")), Next::Work);
        for outgoing in [
            latest("b"),
            durable(1),
            latest("c"),
            latest("d"),
            durable(2),
        ] {
            assert_eq!(mailbox.put(outgoing), Next::Nothing);
        }
        let order: Vec<_> = std::iter::from_fn(|| mailbox.take()).collect();
        assert_eq!(order, [latest("b"), durable(1), latest("d"), durable(2)]);
        assert_eq!(mailbox.put(latest("e")), Next::Work);
    }

    fn notice(expires_at: i64, instead_of: Option<u64>) -> Outgoing {
        Outgoing::TokenExpired {
            expires_at,
            instead_of,
            message: Bytes::from_static(b"expired"),
        }
    }

    #[test]
    fn notice_of_an_expiry_follows_the_messages_before_it_and_is_sent_once() {
        let mut mailbox = Mailbox::default();
        assert_eq!(mailbox.put(durable(1)), Next::Work);
        for instead_of in [None, Some(2), None, Some(3)] {
            assert_eq!(mailbox.put(notice(7, instead_of)), Next::Nothing);
        }
        assert_eq!(mailbox.take(), Some(durable(1)));
        assert_eq!(mailbox.take(), Some(notice(7, None)));
        mailbox.notice_sent();
        assert_eq!(mailbox.take(), None);
        assert_eq!(mailbox.put(notice(7, Some(4))), Next::Nothing);
        // Extended, and expired again.
        assert_eq!(mailbox.put(durable(5)), Next::Work);
        assert_eq!(mailbox.put(notice(9, Some(6))), Next::Nothing);
        assert_eq!(mailbox.take(), Some(durable(5)));
        assert_eq!(mailbox.take(), Some(notice(9, Some(6))));
    }

    #[test]
    fn messages_in_place_of_a_failed_notice_are_deferred_and_later_ones_too() {
        let mut mailbox = Mailbox::default();
        mailbox.put(notice(7, None));
        mailbox.take();
        mailbox.put(notice(7, Some(2)));
        mailbox.put(notice(7, Some(3)));
        // Extended while the notice is in flight.
        mailbox.put(durable(4));
        assert_eq!(mailbox.notice_failed(), Some((2, 4)));
        assert_eq!(mailbox.take(), None);
        assert_eq!(mailbox.put(notice(7, Some(5))), Next::Defer);
        assert_eq!(mailbox.put(durable(6)), Next::Defer);

        // Of progress, nothing is deferred: the next message is replaced by another notice.
        let mut mailbox = Mailbox::default();
        mailbox.put(notice(7, None));
        mailbox.take();
        assert_eq!(mailbox.notice_failed(), None);
        mailbox.take();
        assert_eq!(mailbox.put(notice(7, None)), Next::Work);
    }

    #[test]
    fn notice_behind_a_deferred_message_is_deferred_with_it() {
        let mut mailbox = Mailbox::default();
        mailbox.put(durable(1));
        mailbox.take();
        mailbox.put(notice(7, Some(2)));
        mailbox.put(notice(7, Some(3)));
        assert_eq!(mailbox.defer(), Some(3));
        assert_eq!(mailbox.take(), None);
    }

    #[test]
    fn messages_after_a_deferred_one_are_deferred_but_not_progress() {
        let mut mailbox = Mailbox::default();
        mailbox.put(durable(1));
        mailbox.put(durable(2));
        mailbox.put(latest("z"));
        mailbox.take();
        assert_eq!(
            mailbox.defer(),
            Some(2),
            "waiting messages are deferred too"
        );
        assert_eq!(mailbox.take(), Some(latest("z")));
        assert_eq!(mailbox.take(), None);
        assert_eq!(mailbox.put(durable(3)), Next::Defer);
        assert_eq!(mailbox.put(latest("a")), Next::Work);
    }

    #[test]
    fn handed_off_messages_are_not_overtaken() {
        let mut mailbox = Mailbox::default();
        mailbox.put(durable(1));
        mailbox.put(durable(2));
        mailbox.take();
        mailbox.hand_off();
        assert!(mailbox.is_closed() && mailbox.is_unfinished());
        assert_eq!(mailbox.put(durable(3)), Next::Defer);
        assert_eq!(mailbox.put(latest("a")), Next::Nothing);
        assert_eq!(mailbox.take(), None);
        assert!(
            mailbox.is_unfinished(),
            "the delivery task of the third is being queued"
        );
        mailbox.deferred();
        assert!(!mailbox.is_unfinished() && !mailbox.is_closed());
        assert_eq!(mailbox.put(durable(4)), Next::Defer);
        assert_eq!(mailbox.put(latest("b")), Next::Work);
    }

    #[test]
    fn messages_for_a_gone_connection_are_discarded() {
        let mut mailbox = Mailbox::default();
        mailbox.put(durable(1));
        mailbox.close();
        assert_eq!(mailbox.take(), None);
        assert_eq!(mailbox.put(durable(2)), Next::Nothing);
        assert_eq!(mailbox.take(), None);
    }
}
