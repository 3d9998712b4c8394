//! The state of the protocol, and what each step does to it.

use super::{MESSAGES, Step};

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub(super) struct State {
    pub(super) job: Job,
    /// The epoch that wrote each event, by index `seq - 1`.
    pub(super) log: Vec<u8>,
    /// The log at the last commit. It must never change.
    pub(super) committed: Vec<u8>,
    pub(super) runs: Vec<Run>,
    pub(super) client: Client,
    /// The number of commits of the last message.
    pub(super) endings: u8,
    /// Whether a run has crashed.
    pub(super) crashed: bool,
    /// The pending redelivery of the log: after the first `seq`, up to the second.
    pub(super) redelivery: Option<(u8, u8)>,
    /// The last `seq` of all redeliveries: `Job::redelivered`.
    pub(super) redelivered: u8,
    /// The messages of the deferred fan-out.
    pub(super) deferred: Vec<u8>,
    /// The delivery tasks for parts of the log: connection, after `seq`, up to `seq`.
    pub(super) logs: Vec<(u8, u8, u8)>,
    pub(super) incidents: u8,
    /// Whether an event has happened after which messages may be duplicated.
    pub(super) may_repeat: bool,
}

#[derive(Clone, Debug, Default, Hash, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) seq: u8,
    pub(super) epoch: u8,
    pub(super) version: u8,
    /// The subscribed connection.
    pub(super) subscriber: Option<Subscriber>,
}

/// A connection's number and the `seq` at which it subscribed. The publisher does not send the log up to
/// that `seq`.
type Subscriber = (u8, u8);
/// The cached list of subscribers, with its version.
type KnownAudience = Option<(u8, Option<Subscriber>)>;

#[derive(Clone, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Run {
    Waiting,
    /// Has claimed the job, or has published everything up to `seq`.
    Working {
        epoch: u8,
        seq: u8,
        known: KnownAudience,
    },
    Appended {
        epoch: u8,
        seq: u8,
        known: KnownAudience,
    },
    /// Has committed `seq` and got this version of the list of subscribers.
    Committed {
        epoch: u8,
        seq: u8,
        version: u8,
        known: KnownAudience,
    },
    /// Will post `seq` to the connection.
    Posting {
        epoch: u8,
        seq: u8,
        version: u8,
        to: Subscriber,
    },
    Over,
}

#[derive(Clone, Debug, Default, Hash, PartialEq, Eq)]
pub(super) struct Client {
    /// The number of the current connection.
    pub(super) connection: u8,
    pub(super) subscribing: Subscribing,
    /// The `seq`s received over the current connection.
    pub(super) wire: Vec<u8>,
    /// The last `seq` without a gap, after which the client resumes.
    pub(super) has: u8,
    pub(super) disconnects: u8,
}

#[derive(Clone, Debug, Default, Hash, PartialEq, Eq)]
pub(super) enum Subscribing {
    #[default]
    Unsubscribed,
    Loaded {
        seq: u8,
    },
    /// The subscription is stored, at an unknown `seq` of the job.
    Stored,
    Replaying {
        next: u8,
        until: u8,
    },
    Done,
}

impl Client {
    pub(super) fn receive(&mut self, connection: u8, seq: u8) {
        if connection == self.connection {
            self.wire.push(seq);
            while self.wire.contains(&(self.has + 1)) {
                self.has += 1;
            }
        }
    }
}

impl State {
    pub(super) fn is_quiet(&self) -> bool {
        self.runs.iter().all(|run| *run == Run::Over)
            && self.client.subscribing == Subscribing::Done
            && self.redelivery.is_none()
            && self.deferred.is_empty()
            && self.logs.is_empty()
    }

    /// Makes states equal that differ only in what no step and no property depends on: the order of the runs,
    /// of queued messages and of received ones, and received messages that cannot matter again.
    pub(super) fn normalize(&mut self) {
        self.runs.sort_unstable();
        self.deferred.sort_unstable();
        self.logs.sort_unstable();
        let client = &mut self.client;
        client.wire.sort_unstable();
        if self.crashed || self.may_repeat {
            // Duplicates are allowed from here on, so only messages after a gap matter.
            client.wire.retain(|seq| *seq > client.has);
            client.wire.dedup();
        }
    }

    pub(super) fn claim(&mut self, index: usize) {
        // An earlier redelivery covers its part of the log.
        if self.crashed && self.job.seq > self.redelivered {
            let after = self.redelivery.map_or(self.redelivered, |(after, _)| after);
            self.redelivery = Some((after, self.job.seq));
            self.redelivered = self.job.seq;
        }
        if self.job.seq == MESSAGES {
            self.runs[index] = Run::Over;
        } else {
            self.job.epoch += 1;
            let (epoch, seq) = (self.job.epoch, self.job.seq);
            self.runs[index] = Run::Working {
                epoch,
                seq,
                known: None,
            };
        }
    }

    pub(super) fn take_run_step(&mut self, step: &Step) {
        match *step {
            Step::Claim(index) => self.claim(index),
            Step::Append(index) => {
                let Run::Working { epoch, seq, known } = self.runs[index].clone() else {
                    return;
                };
                let place = usize::from(seq);
                // The condition: the position is free, or was written by this or an earlier epoch.
                if self.log.get(place).is_some_and(|written| *written > epoch) {
                    self.runs[index] = Run::Over;
                } else {
                    match self.log.get_mut(place) {
                        Some(written) => *written = epoch,
                        None => self.log.push(epoch),
                    }
                    self.runs[index] = Run::Appended {
                        epoch,
                        seq: seq + 1,
                        known,
                    };
                }
            }
            Step::Commit(index) => {
                let Run::Appended { epoch, seq, known } = self.runs[index].clone() else {
                    return;
                };
                if self.job.epoch == epoch && self.job.seq < MESSAGES {
                    self.job.seq = seq;
                    self.committed = self.log[..usize::from(seq)].to_vec();
                    self.endings += u8::from(seq == MESSAGES);
                    let version = self.job.version;
                    self.runs[index] = Run::Committed {
                        epoch,
                        seq,
                        version,
                        known,
                    };
                } else {
                    self.runs[index] = Run::Over;
                }
            }
            Step::ReadAudience(index) => {
                let Run::Committed {
                    epoch,
                    seq,
                    version,
                    known,
                } = self.runs[index].clone()
                else {
                    return;
                };
                // The list is read only if the cached version is outdated.
                let audience = match known {
                    Some((known, audience)) if known == version => audience,
                    _ => self.job.subscriber,
                };
                let known = Some((version, audience));
                self.runs[index] = match audience {
                    Some(to) if seq > to.1 => Run::Posting {
                        epoch,
                        seq,
                        version,
                        to,
                    },
                    _ => after_sending(epoch, seq, known),
                };
            }
            Step::Post(index) => {
                if let Some((to, seq)) = self.finish_post(index) {
                    self.client.receive(to.0, seq);
                }
            }
            Step::FailPost(index) => self.fail_post(index),
            Step::Defer(index) => self.defer(index),
            Step::Crash(index) => {
                self.crashed = true;
                // Its job message is received again.
                self.runs[index] = Run::Waiting;
            }
            Step::FanOut(_)
            | Step::SendLog(_)
            | Step::Redeliver
            | Step::LoadContext
            | Step::Subscribe
            | Step::SubscribeUnconditionally
            | Step::Reload
            | Step::Replay
            | Step::FailReplay
            | Step::Disconnect => {}
        }
    }

    /// Ends a post. Returns its recipient and `seq`.
    pub(super) fn finish_post(&mut self, index: usize) -> Option<(Subscriber, u8)> {
        let Run::Posting {
            epoch,
            seq,
            version,
            to,
        } = self.runs[index].clone()
        else {
            return None;
        };
        self.runs[index] = after_sending(epoch, seq, Some((version, Some(to))));
        Some((to, seq))
    }

    /// All attempts of a post have failed.
    pub(super) fn fail_post(&mut self, index: usize) {
        if let Some((to, seq)) = self.finish_post(index) {
            self.defer_log(to.0, seq - 1, seq);
        }
    }

    /// Queues a delivery task for a part of the log.
    pub(super) fn defer_log(&mut self, connection: u8, after: u8, through: u8) {
        self.incidents += 1;
        self.may_repeat = true;
        self.logs.push((connection, after, through));
    }

    /// The run defers the fan-out of its committed message.
    pub(super) fn defer(&mut self, index: usize) {
        let Run::Committed {
            epoch, seq, known, ..
        } = self.runs[index].clone()
        else {
            return;
        };
        self.deferred.push(seq);
        // The subscriber may also get the message by its replay.
        self.may_repeat = true;
        self.runs[index] = after_sending(epoch, seq, known);
    }

    pub(super) fn take_client_step(&mut self, step: &Step) {
        match *step {
            Step::Redeliver => {
                if let (Some((to, _)), Some((after, through))) =
                    (self.job.subscriber, self.redelivery)
                {
                    for seq in after + 1..=through {
                        self.client.receive(to, seq);
                    }
                }
                self.redelivery = None;
            }
            Step::FanOut(index) => {
                // Sent to the current subscriber, unless the message is part of its replay.
                let seq = self.deferred.remove(index);
                if let Some((to, at_seq)) = self.job.subscriber
                    && seq > at_seq
                {
                    self.client.receive(to, seq);
                }
            }
            Step::SendLog(index) => {
                let (connection, after, through) = self.logs.remove(index);
                for seq in after + 1..=through {
                    self.client.receive(connection, seq);
                }
            }
            Step::LoadContext => {
                self.client.subscribing = Subscribing::Loaded { seq: self.job.seq }
            }
            Step::Subscribe => {
                let Subscribing::Loaded { seq } = self.client.subscribing else {
                    return;
                };
                if self.job.seq == seq {
                    self.job.subscriber = Some((self.client.connection, seq));
                    self.job.version += 1;
                    let next = self.client.has + 1;
                    self.client.subscribing = Subscribing::Replaying { next, until: seq };
                } else {
                    self.client.subscribing = Subscribing::Unsubscribed;
                }
            }
            Step::SubscribeUnconditionally => {
                let Subscribing::Loaded { seq } = self.client.subscribing else {
                    return;
                };
                self.incidents += 1;
                self.may_repeat = true;
                self.job.subscriber = Some((self.client.connection, seq));
                self.job.version += 1;
                self.client.subscribing = Subscribing::Stored;
            }
            Step::Reload => {
                let (next, until) = (self.client.has + 1, self.job.seq);
                self.client.subscribing = Subscribing::Replaying { next, until };
            }
            Step::FailReplay => {
                let Subscribing::Replaying { next, until } = self.client.subscribing else {
                    return;
                };
                self.defer_log(self.client.connection, next - 1, until);
                self.client.subscribing = Subscribing::Done;
            }
            Step::Replay => {
                let Subscribing::Replaying { next, until } = self.client.subscribing else {
                    return;
                };
                if next > until {
                    self.client.subscribing = Subscribing::Done;
                } else {
                    let connection = self.client.connection;
                    self.client.receive(connection, next);
                    self.client.subscribing = Subscribing::Replaying {
                        next: next + 1,
                        until,
                    };
                }
            }
            Step::Disconnect => {
                self.client.disconnects += 1;
                reconnect(self);
            }
            Step::Claim(_)
            | Step::Append(_)
            | Step::Commit(_)
            | Step::ReadAudience(_)
            | Step::Post(_)
            | Step::FailPost(_)
            | Step::Defer(_)
            | Step::Crash(_) => {}
        }
    }
}

fn after_sending(epoch: u8, seq: u8, known: KnownAudience) -> Run {
    if seq == MESSAGES {
        Run::Over
    } else {
        Run::Working { epoch, seq, known }
    }
}

/// The client opens a new connection and resumes.
fn reconnect(state: &mut State) {
    let client = &mut state.client;
    client.connection += 1;
    client.wire.clear();
    client.subscribing = Subscribing::Unsubscribed;
}
