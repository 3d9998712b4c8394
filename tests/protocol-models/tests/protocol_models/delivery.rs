//! Publishing, subscribing and claiming. Each step is one atomic call to DynamoDB, or one post.
//!
//! | step here | in `handlers-core` |
//! | --- | --- |
//! | `Claim` | `JobStore::claim`; a lease may end at any time, so any run can claim |
//! | `Append`, `Commit` | `EventStore::append`, then `JobStore::finish_stage` or `end` |
//! | `ReadAudience`, `Post` | `Publisher::update_audience`, `Sender::send` |
//! | `LoadContext`, `Subscribe`, `Replay` | `SubscriptionStore::load_context`, `commit`, then `send_subscribed_and_replay` |
//! | `SubscribeUnconditionally`, `Reload` | the last attempt to `commit`, for a job that changes all the time |
//! | `Defer`, `FanOut` | deferred fan-out to subscribers that the publisher does not post to, by the delivery function |
//! | `FailPost`, `FailReplay`, `SendLog` | all retries failed: the delivery function sends the log from there |
//! | `Redeliver` | the delivery function sends the log again after an interrupted run |
//! | `Disconnect` | the client disconnects and resumes after the last `seq` without a gap |

mod mistakes;

use std::num::NonZero;

use stateright::{Checker as _, Model, Property};

/// The number of durable messages. The last one ends the job.
const MESSAGES: u8 = 3;
/// The number of runs.
const RUNS: usize = 2;
/// Maximum number of disconnects.
const DISCONNECTS: u8 = 1;
/// Maximum number of failed posts and unconditional subscriptions.
const INCIDENTS: u8 = 1;

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct State {
    job: Job,
    /// The epoch that wrote each event, by index `seq - 1`.
    log: Vec<u8>,
    /// The log at the last commit. It must never change.
    committed: Vec<u8>,
    runs: Vec<Run>,
    client: Client,
    /// The number of commits of the last message.
    endings: u8,
    /// Whether a run has crashed.
    crashed: bool,
    /// The pending redelivery of the log: after the first `seq`, up to the second.
    redelivery: Option<(u8, u8)>,
    /// The last `seq` of all redeliveries: `Job::redelivered`.
    redelivered: u8,
    /// The messages of the deferred fan-out.
    deferred: Vec<u8>,
    /// The delivery tasks for parts of the log: connection, after `seq`, up to `seq`.
    logs: Vec<(u8, u8, u8)>,
    incidents: u8,
    /// Whether an event has happened after which messages may be duplicated.
    may_repeat: bool,
}

#[derive(Clone, Debug, Default, Hash, PartialEq, Eq)]
struct Job {
    seq: u8,
    epoch: u8,
    version: u8,
    /// The subscribed connection.
    subscriber: Option<Subscriber>,
}

/// A connection's number and the `seq` at which it subscribed. The publisher does not send the log up to
/// that `seq`.
type Subscriber = (u8, u8);
/// The cached list of subscribers, with its version.
type KnownAudience = Option<(u8, Option<Subscriber>)>;

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
enum Run {
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
struct Client {
    /// The number of the current connection.
    connection: u8,
    subscribing: Subscribing,
    /// The `seq`s received over the current connection, in order.
    wire: Vec<u8>,
    /// The last `seq` without a gap, after which the client resumes.
    has: u8,
    disconnects: u8,
}

#[derive(Clone, Debug, Default, Hash, PartialEq, Eq)]
enum Subscribing {
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

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Claim(usize),
    Append(usize),
    Commit(usize),
    ReadAudience(usize),
    Post(usize),
    FailPost(usize),
    Defer(usize),
    Crash(usize),
    FanOut(usize),
    SendLog(usize),
    Redeliver,
    LoadContext,
    Subscribe,
    SubscribeUnconditionally,
    Reload,
    Replay,
    FailReplay,
    Disconnect,
}

struct Protocol;

impl Client {
    fn receive(&mut self, connection: u8, seq: u8) {
        if connection == self.connection {
            self.wire.push(seq);
            while self.wire.contains(&(self.has + 1)) {
                self.has += 1;
            }
        }
    }
}

impl State {
    fn is_quiet(&self) -> bool {
        self.runs.iter().all(|run| *run == Run::Over)
            && self.client.subscribing == Subscribing::Done
            && self.redelivery.is_none()
            && self.deferred.is_empty()
            && self.logs.is_empty()
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            job: Job::default(),
            log: Vec::new(),
            committed: Vec::new(),
            runs: vec![Run::Waiting; RUNS],
            client: Client::default(),
            endings: 0,
            crashed: false,
            redelivery: None,
            redelivered: 0,
            deferred: Vec::new(),
            logs: Vec::new(),
            incidents: 0,
            may_repeat: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Step>) {
        for (index, run) in state.runs.iter().enumerate() {
            match run {
                Run::Waiting => actions.push(Step::Claim(index)),
                Run::Working { seq, .. } if *seq < MESSAGES => actions.push(Step::Append(index)),
                Run::Working { .. } | Run::Over => {}
                Run::Appended { .. } => actions.push(Step::Commit(index)),
                Run::Committed { .. } => {
                    actions.extend([Step::ReadAudience(index), Step::Defer(index)]);
                }
                Run::Posting { .. } => {
                    actions.push(Step::Post(index));
                    if state.incidents < INCIDENTS {
                        actions.push(Step::FailPost(index));
                    }
                }
            }
            if !matches!(run, Run::Waiting | Run::Over) && !state.crashed {
                actions.push(Step::Crash(index));
            }
        }
        if state.redelivery.is_some() {
            actions.push(Step::Redeliver);
        }
        // Queued messages are unordered.
        actions.extend((0..state.deferred.len()).map(Step::FanOut));
        actions.extend((0..state.logs.len()).map(Step::SendLog));
        let may_fail = state.incidents < INCIDENTS;
        match state.client.subscribing {
            Subscribing::Unsubscribed => actions.push(Step::LoadContext),
            Subscribing::Loaded { .. } => {
                actions.push(Step::Subscribe);
                actions.extend(may_fail.then_some(Step::SubscribeUnconditionally));
            }
            Subscribing::Stored => actions.push(Step::Reload),
            Subscribing::Replaying { .. } => {
                actions.push(Step::Replay);
                actions.extend(may_fail.then_some(Step::FailReplay));
            }
            Subscribing::Done => {}
        }
        if state.client.disconnects < DISCONNECTS {
            actions.push(Step::Disconnect);
        }
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        let mut state = state.clone();
        state.take_run_step(&step);
        state.take_client_step(&step);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "nothing is lost between subscribe and publish",
                |_, state: &State| !state.is_quiet() || state.client.has == state.job.seq,
            ),
            Property::always(
                "without a crash, no message of the publisher is duplicated",
                |_, state: &State| {
                    state.crashed || state.may_repeat || is_unique(&state.client.wire)
                },
            ),
            Property::always("what is committed never changes", |_, state: &State| {
                state.log.starts_with(&state.committed)
            }),
            Property::always("a job ends once", |_, state: &State| state.endings <= 1),
            Property::always(
                "the job has ended when its runs have",
                |_, state: &State| !state.is_quiet() || state.endings == 1,
            ),
            Property::sometimes(
                "a client that reconnected has everything",
                |_, state: &State| state.is_quiet() && state.client.disconnects == DISCONNECTS,
            ),
            Property::sometimes(
                "a later run takes over in the middle",
                |_, state: &State| {
                    state.endings == 1 && state.committed.first() != state.committed.last()
                },
            ),
        ]
    }
}

impl State {
    fn claim(&mut self, index: usize) {
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

    fn take_run_step(&mut self, step: &Step) {
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
    fn finish_post(&mut self, index: usize) -> Option<(Subscriber, u8)> {
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
    fn fail_post(&mut self, index: usize) {
        if let Some((to, seq)) = self.finish_post(index) {
            self.defer_log(to.0, seq - 1, seq);
        }
    }

    /// Queues a delivery task for a part of the log.
    fn defer_log(&mut self, connection: u8, after: u8, through: u8) {
        self.incidents += 1;
        self.may_repeat = true;
        self.logs.push((connection, after, through));
    }

    /// The run defers the fan-out of its committed message.
    fn defer(&mut self, index: usize) {
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

    fn take_client_step(&mut self, step: &Step) {
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

fn is_unique(seqs: &[u8]) -> bool {
    let mut seqs = seqs.to_vec();
    seqs.sort_unstable();
    seqs.windows(2).all(|pair| pair[0] != pair[1])
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

#[test]
fn invariants_of_delivery_hold_in_every_interleaving() {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let checker = Protocol.checker().threads(threads).spawn_bfs().join();
    checker.assert_properties();
    assert!(
        checker.unique_state_count() > 10_000,
        "{}",
        checker.unique_state_count()
    );
}
