//! What waits for one connection.

use std::collections::VecDeque;

use bytes::Bytes;

/// A message on its way out, serialized once for all its receivers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// In the log; must arrive, in order.
    Durable {
        /// The message's place among the job's durable messages.
        seq: u64,
        /// The message.
        message: Bytes,
    },
    /// Only the latest matters.
    Latest {
        /// The message.
        message: Bytes,
    },
}

impl Outgoing {
    pub(super) fn message(&self) -> &Bytes {
        match self {
            Self::Durable { message, .. } | Self::Latest { message } => message,
        }
    }
}

/// What waits for one connection, and whether someone is sending it.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    waiting: VecDeque<Outgoing>,
    /// A worker is at it; there is never more than one, so order holds.
    busy: bool,
    /// Messages that are on their way to the delivery function.
    deferring: u32,
    /// The last durable message that the connection was sent.
    sent_seq: Option<u64>,
    state: State,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    /// The connection has ended: nothing is sent any more.
    Gone,
    /// A durable message was left to the delivery function: the ones after it follow the same way,
    /// or they would overtake it.
    Deferred,
    /// Everything that was on its way was left to the delivery function. Nothing more is sent
    /// until the worker, who may be at a post still, has come home; from then on [`Self::Deferred`].
    HandedOff,
}

/// What has to be done after a message was put into a mailbox.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing: a worker will come to it, or the connection is gone.
    Nothing,
    /// Start a worker.
    Work,
    /// Leave the message, and all after it, to the delivery function.
    Defer,
}

impl Mailbox {
    pub(super) fn put(&mut self, outgoing: Outgoing) -> Next {
        match (&self.state, &outgoing) {
            (State::Gone, _) | (State::HandedOff, Outgoing::Latest { .. }) => return Next::Nothing,
            (State::Deferred | State::HandedOff, Outgoing::Durable { .. }) => {
                self.deferring += 1;
                return Next::Defer;
            }
            _ => {}
        }
        // A newer progress update replaces one that still waits. Durable messages are never
        // replaced and never overtaken.
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

    /// The next message for the worker; none sends it home.
    pub(super) fn take(&mut self) -> Option<Outgoing> {
        let next = self.waiting.pop_front();
        self.busy = next.is_some();
        if !self.busy && self.state == State::HandedOff {
            self.state = State::Deferred;
        }
        next
    }

    /// A message that [`Next::Defer`] was the answer to has been left to the delivery function.
    pub(super) fn deferred(&mut self) {
        self.deferring = self.deferring.saturating_sub(1);
    }

    /// A durable message was sent.
    pub(super) fn sent(&mut self, seq: u64) {
        self.sent_seq = Some(seq);
    }

    /// The last durable message that the connection was sent, if one was.
    pub(super) fn sent_seq(&self) -> Option<u64> {
        self.sent_seq
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether something is on its way, to the connection or to the delivery function.
    pub(super) fn is_unfinished(&self) -> bool {
        self.busy || self.deferring > 0
    }

    /// Whether nothing is sent any more, or not now.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.state, State::Gone | State::HandedOff)
    }

    /// The connection has ended.
    pub(super) fn close(&mut self) {
        self.state = State::Gone;
        self.waiting.clear();
    }

    /// What is on its way is somebody else's to deliver, and so are the durable messages that follow.
    pub(super) fn hand_off(&mut self) {
        if self.busy && self.state != State::Gone {
            self.state = State::HandedOff;
            self.waiting.clear();
        }
    }

    /// Durable messages are the delivery function's from now on, those that wait included. Answers with
    /// the last of these, if there are any.
    pub(super) fn defer(&mut self) -> Option<u64> {
        self.state = State::Deferred;
        let last = self
            .waiting
            .iter()
            .rev()
            .find_map(|outgoing| match outgoing {
                Outgoing::Durable { seq, .. } => Some(*seq),
                Outgoing::Latest { .. } => None,
            });
        self.waiting
            .retain(|outgoing| matches!(outgoing, Outgoing::Latest { .. }));
        last
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
    fn a_newer_progress_update_replaces_the_waiting_one_but_never_passes_a_durable_message() {
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

    #[test]
    fn after_a_deferral_durable_messages_go_the_same_way_and_progress_goes_on() {
        let mut mailbox = Mailbox::default();
        mailbox.put(durable(1));
        mailbox.put(durable(2));
        mailbox.put(latest("z"));
        mailbox.take();
        assert_eq!(mailbox.defer(), Some(2), "what waits goes the same way");
        assert_eq!(mailbox.take(), Some(latest("z")));
        assert_eq!(mailbox.take(), None);
        assert_eq!(mailbox.put(durable(3)), Next::Defer);
        assert_eq!(mailbox.put(latest("a")), Next::Work);
    }

    #[test]
    fn what_was_left_is_not_overtaken_and_progress_goes_on_once_its_worker_is_home() {
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
            "the third is on its way to a queue"
        );
        mailbox.deferred();
        assert!(!mailbox.is_unfinished() && !mailbox.is_closed());
        assert_eq!(mailbox.put(durable(4)), Next::Defer);
        assert_eq!(mailbox.put(latest("b")), Next::Work);
    }

    #[test]
    fn nothing_is_sent_to_a_connection_that_is_gone() {
        let mut mailbox = Mailbox::default();
        mailbox.put(durable(1));
        mailbox.close();
        assert_eq!(mailbox.take(), None);
        assert_eq!(mailbox.put(durable(2)), Next::Nothing);
        assert_eq!(mailbox.take(), None);
    }
}
