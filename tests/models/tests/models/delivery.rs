//! The protocol of publishing, subscribing and claiming as a model, all of whose interleavings and
//! faults are explored. Each step is one call that is atomic in DynamoDB, or one post.
//!
//! | step here | in `handlers-core` |
//! | --- | --- |
//! | `Claim` | `JobStore::claim`; a lease may end at any time, so any run may claim |
//! | `Append`, `Commit` | `EventStore::append`, then `JobStore::finish_stage` or `end` |
//! | `ReadAudience`, `Post` | `Publisher::update_audience`, `Sender::send` |
//! | `Look`, `Subscribe`, `Replay` | `SubscriptionStore::look`, `commit`, then `Handler::welcome` |
//! | `SubscribeAnyway`, `Reload` | the last attempt to `commit`, of a job that moves on all the time |
//! | `Leave`, `FanOut` | `Publisher::leave` for who is beyond its reach, then the delivery function |
//! | `FailPost`, `FailReplay`, `SendLog` | a budget is spent: the log from there is the delivery function's |
//! | `Redeliver` | the delivery function, for a run that finds that one before it was cut short |
//! | `Disconnect` | the client leaves and resumes after the last `seq` without a hole |

mod mistakes;

use std::num::NonZero;

use stateright::{Checker as _, Model, Property};

/// Durable messages of the job; the last one ends it.
const MESSAGES: u8 = 3;
/// Runs that claim the job, crashes and takeovers included.
const RUNS: usize = 2;
/// Times that the client leaves.
const DISCONNECTS: u8 = 1;
/// Posts that fail for good, and subscriptions that are stored while the job moves on.
const MISHAPS: u8 = 1;

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct State {
    job: Job,
    /// The epoch that wrote each event, by `seq - 1`.
    log: Vec<u8>,
    /// The log as it was when each event was committed: it must never change.
    committed: Vec<u8>,
    runs: Vec<Run>,
    client: Client,
    /// Commits of the job's last message.
    endings: u8,
    /// A run was cut short.
    crashed: bool,
    /// The delivery function has been asked to send the log after this `seq` and through that one.
    redelivery: Option<(u8, u8)>,
    /// The `seq` through which it has ever been asked to: `Job::redelivered`.
    redelivered: u8,
    /// It has been asked to send these published messages.
    left: Vec<u8>,
    /// It has been asked to send these connections the log after these `seq`s and through those.
    logs: Vec<(u8, u8, u8)>,
    mishaps: u8,
    /// Something came to pass after which messages may come twice.
    may_repeat: bool,
}

#[derive(Clone, Debug, Default, Hash, PartialEq, Eq)]
struct Job {
    seq: u8,
    epoch: u8,
    version: u8,
    /// The connection that is subscribed, by its number, and the `seq` at which it was.
    subscriber: Option<Subscriber>,
}

/// A connection and the `seq` at which it subscribed: the log up to there is not the publisher's.
type Subscriber = (u8, u8);
/// A version of the list of subscribers, and the list.
type Known = Option<(u8, Option<Subscriber>)>;

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
enum Run {
    Waiting,
    /// Has claimed the job, or has published everything before `seq + 1`.
    Working {
        epoch: u8,
        seq: u8,
        known: Known,
    },
    Appended {
        epoch: u8,
        seq: u8,
        known: Known,
    },
    /// Has committed `seq` and was told this version.
    Committed {
        epoch: u8,
        seq: u8,
        version: u8,
        known: Known,
    },
    /// Is about to post `seq` to the connection.
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
    /// The number of the current connection; the ones before it are gone.
    connection: u8,
    subscribing: Subscribing,
    /// What came over the current connection, in the order in which it came.
    wire: Vec<u8>,
    /// What the client has without a hole: where it resumes.
    has: u8,
    disconnects: u8,
}

#[derive(Clone, Debug, Default, Hash, PartialEq, Eq)]
enum Subscribing {
    #[default]
    Not,
    Looked {
        seq: u8,
    },
    /// The subscription is stored, wherever the job was by then.
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
    Leave(usize),
    Crash(usize),
    FanOut(usize),
    SendLog(usize),
    Redeliver,
    Look,
    Subscribe,
    SubscribeAnyway,
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
            && self.left.is_empty()
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
            left: Vec::new(),
            logs: Vec::new(),
            mishaps: 0,
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
                    actions.extend([Step::ReadAudience(index), Step::Leave(index)]);
                }
                Run::Posting { .. } => {
                    actions.push(Step::Post(index));
                    if state.mishaps < MISHAPS {
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
        // A queue keeps no order.
        actions.extend((0..state.left.len()).map(Step::FanOut));
        actions.extend((0..state.logs.len()).map(Step::SendLog));
        let may_fail = state.mishaps < MISHAPS;
        match state.client.subscribing {
            Subscribing::Not => actions.push(Step::Look),
            Subscribing::Looked { .. } => {
                actions.push(Step::Subscribe);
                actions.extend(may_fail.then_some(Step::SubscribeAnyway));
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
                "without a crash, nothing that its publisher sends comes twice",
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
            Property::sometimes("a client that left has everything", |_, state: &State| {
                state.is_quiet() && state.client.disconnects == DISCONNECTS
            }),
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
        // What an earlier pointer covers is sent by that, whenever it is.
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
                // The condition: the place is free, or was written by this run or one before it.
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
                // The list is read only when the version is not the one that is known.
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
                if let Some((to, seq)) = self.posted(index) {
                    self.client.receive(to.0, seq);
                }
            }
            Step::FailPost(index) => self.fail_post(index),
            Step::Leave(index) => self.leave_to_delivery(index),
            Step::Crash(index) => {
                self.crashed = true;
                // Its ticket comes again.
                self.runs[index] = Run::Waiting;
            }
            Step::FanOut(_)
            | Step::SendLog(_)
            | Step::Redeliver
            | Step::Look
            | Step::Subscribe
            | Step::SubscribeAnyway
            | Step::Reload
            | Step::Replay
            | Step::FailReplay
            | Step::Disconnect => {}
        }
    }

    /// The run is done with a post: of what, and to whom.
    fn posted(&mut self, index: usize) -> Option<(Subscriber, u8)> {
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

    /// The run has used up its attempts to send what it has committed.
    fn fail_post(&mut self, index: usize) {
        if let Some((to, seq)) = self.posted(index) {
            self.leave_log(to.0, seq - 1, seq);
        }
    }

    /// The delivery function is asked to send a connection a part of the log.
    fn leave_log(&mut self, connection: u8, after: u8, through: u8) {
        self.mishaps += 1;
        self.may_repeat = true;
        self.logs.push((connection, after, through));
    }

    /// The run has the delivery function send what it has committed.
    fn leave_to_delivery(&mut self, index: usize) {
        let Run::Committed {
            epoch, seq, known, ..
        } = self.runs[index].clone()
        else {
            return;
        };
        self.left.push(seq);
        // Its subscriber may be sent the same by the log that it reads meanwhile.
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
                // Whoever watches by then, as far as it is not their own to read from the log.
                let seq = self.left.remove(index);
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
            Step::Look => self.client.subscribing = Subscribing::Looked { seq: self.job.seq },
            Step::Subscribe => {
                let Subscribing::Looked { seq } = self.client.subscribing else {
                    return;
                };
                if self.job.seq == seq {
                    self.job.subscriber = Some((self.client.connection, seq));
                    self.job.version += 1;
                    let next = self.client.has + 1;
                    self.client.subscribing = Subscribing::Replaying { next, until: seq };
                } else {
                    self.client.subscribing = Subscribing::Not;
                }
            }
            Step::SubscribeAnyway => {
                let Subscribing::Looked { seq } = self.client.subscribing else {
                    return;
                };
                self.mishaps += 1;
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
                self.leave_log(self.client.connection, next - 1, until);
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
                leave(self);
            }
            Step::Claim(_)
            | Step::Append(_)
            | Step::Commit(_)
            | Step::ReadAudience(_)
            | Step::Post(_)
            | Step::FailPost(_)
            | Step::Leave(_)
            | Step::Crash(_) => {}
        }
    }
}

fn is_unique(seqs: &[u8]) -> bool {
    let mut seqs = seqs.to_vec();
    seqs.sort_unstable();
    seqs.windows(2).all(|pair| pair[0] != pair[1])
}

fn after_sending(epoch: u8, seq: u8, known: Known) -> Run {
    if seq == MESSAGES {
        Run::Over
    } else {
        Run::Working { epoch, seq, known }
    }
}

/// The connection ends; the client opens another and resumes.
fn leave(state: &mut State) {
    let client = &mut state.client;
    client.connection += 1;
    client.wire.clear();
    client.subscribing = Subscribing::Not;
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
