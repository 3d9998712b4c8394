//! Jobs whose external worker dies, is silent for a while, or is replaced, while somebody cancels them.
//! Each step is one call that is atomic in DynamoDB or SQS, or the death of a process.
//!
//! | step here | in `handlers-core` |
//! | --- | --- |
//! | `Start`, `Claim` | `Handler::claim`: the watchdog is scheduled, then the claim is written and what is in the log adopted |
//! | `Append`, `Commit` | `Publisher::publish` of a worker's post |
//! | `Die` | a worker that never comes back, between any two of its calls |
//! | `LeaseEnds` | a worker may be silent for so long at any time, and go on later |
//! | `Cancel` | `JobStore::request_cancel`, then `Unattended::settle` if nothing holds the job; an unclaimed job gets a watchdog before |
//! | `Look` | the watchdog's `look`: it retires, waits, or settles the job |
//! | `Settle` | the next call of `Unattended::settle`: append, commit, notify |
//! | `Crash` | the process of a settlement ends; a watchdog's pointer comes again |

use std::num::NonZero;

use stateright::{Checker as _, HasDiscoveries, Model, Property};

/// Claims of the job.
const CLAIMS: u8 = 2;
/// Requests to cancel it.
const REQUESTS: u8 = 1;
/// Settlements that are cut short.
const CRASHES: u8 = 1;
/// The worker's durable events: a stage, then the end of the job.
const EVENTS: u8 = 2;

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
enum Says {
    Stage,
    Complete,
    Cancelled,
}

#[derive(Clone, Debug, Default, Hash, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the facts of a state are independent of each other"
)]
struct State {
    seq: u8,
    epoch: u8,
    is_running: bool,
    /// A lease that has not ended: the holder has renewed it lately.
    is_leased: bool,
    has_ended: bool,
    endings: u8,
    is_cancel_requested: bool,
    /// A client has been answered that the job stops.
    is_accepted: bool,
    log: Vec<(u8, Says)>,
    committed: Vec<Says>,
    workers: Vec<Worker>,
    /// The claims whose watchdog is scheduled, and whether its pointer has been received before.
    watchdogs: Vec<(u8, bool)>,
    settlements: Vec<Settlement>,
    requests: u8,
    crashes: u8,
    /// The durable messages that were sent, or that the delivery function was asked to send.
    sent: u8,
    /// The last commit was made without a lease, and nothing has renewed it since.
    is_without_lease: bool,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
enum Worker {
    /// Its watchdog is scheduled, its claim not written.
    Claiming,
    Working {
        epoch: u8,
    },
    Appended {
        epoch: u8,
        place: u8,
    },
    Over,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
struct Settlement {
    by: By,
    /// The job as it was read.
    epoch: u8,
    seq: u8,
    /// The `seq` that subscribers have.
    before: u8,
    /// Whether the job is to end as cancelled, or only what is in the log is to be committed.
    cancels: bool,
    at: At,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
enum By {
    Request,
    Watchdog { epoch: u8 },
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
enum At {
    Append,
    Commit,
    Notify,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Start,
    Claim(usize),
    Append(usize),
    Commit(usize),
    Die(usize),
    LeaseEnds,
    Cancel,
    Look(usize),
    Settle(usize),
    Crash(usize),
}

/// The protocol, or one that lacks something.
struct Protocol {
    /// Claims start a watchdog.
    watches: bool,
    /// A settlement commits the event that it finds in its place.
    adopts: bool,
}

const WHOLE: Protocol = Protocol {
    watches: true,
    adopts: true,
};

impl Model for Protocol {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Step>) {
        let is_free = !state.has_ended && !state.is_leased;
        if state.workers.len() < usize::from(CLAIMS) && is_free {
            actions.push(Step::Start);
        }
        for (index, worker) in state.workers.iter().enumerate() {
            match worker {
                Worker::Claiming => actions.push(Step::Claim(index)),
                Worker::Working { .. } => actions.push(Step::Append(index)),
                Worker::Appended { .. } => actions.push(Step::Commit(index)),
                Worker::Over => continue,
            }
            actions.push(Step::Die(index));
        }
        if state.is_leased {
            actions.push(Step::LeaseEnds);
        }
        if state.requests < REQUESTS && !state.has_ended {
            actions.push(Step::Cancel);
        }
        for index in 0..state.watchdogs.len() {
            if state.has_something_for(index, self.adopts) {
                actions.push(Step::Look(index));
            }
        }
        for index in 0..state.settlements.len() {
            actions.push(Step::Settle(index));
            if state.crashes < CRASHES {
                actions.push(Step::Crash(index));
            }
        }
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        let mut state = state.clone();
        match step {
            Step::Start => {
                state.workers.push(Worker::Claiming);
                if self.watches {
                    state.watchdogs.push((state.epoch + 1, false));
                }
            }
            Step::Claim(index) => state.claim(index, self.watches),
            Step::Append(index) => state.append(index),
            Step::Commit(index) => state.commit(index),
            Step::Die(index) => state.workers[index] = Worker::Over,
            Step::LeaseEnds => state.is_leased = false,
            Step::Cancel => state.cancel(self.watches),
            Step::Look(index) => state.look(index),
            Step::Settle(index) => state.settle(index, self.adopts),
            Step::Crash(index) => {
                state.crashes += 1;
                // Nobody repeats a request: the client has got no answer.
                if let By::Watchdog { epoch } = state.settlements.remove(index).by {
                    state.watchdogs.push((epoch, true));
                }
            }
        }
        // Neither a queue nor processes have an order.
        state.watchdogs.sort_unstable();
        state.settlements.sort_unstable();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "what is committed is in the log and never changes",
                |_, state: &State| {
                    let log = state.log.iter().map(|(_, says)| says);
                    state.committed.iter().eq(log.take(state.committed.len()))
                        && state.committed.len() == usize::from(state.seq)
                },
            ),
            Property::always("a job ends once", |_, state: &State| state.endings <= 1),
            Property::always(
                "an accepted request ends the job",
                |model: &Self, state: &State| {
                    !state.is_quiet(model.adopts) || !state.is_accepted || state.has_ended
                },
            ),
            Property::always(
                "a terminal event in the log of a claimed job ends it",
                |model: &Self, state: &State| {
                    let next = state.log.get(usize::from(state.seq));
                    let is_terminal = next.is_some_and(|(_, says)| *says != Says::Stage);
                    !state.is_quiet(model.adopts) || !state.is_running || !is_terminal
                },
            ),
            Property::always(
                "subscribers hear what was committed for a dead worker",
                |model: &Self, state: &State| {
                    !model.watches
                        || !state.is_quiet(model.adopts)
                        || state.sent == through(state.seq)
                },
            ),
            Property::sometimes("a worker ends its job", |_, state: &State| {
                state.committed.last() == Some(&Says::Complete)
            }),
            Property::sometimes("a job is cancelled after a stage", |_, state: &State| {
                state.committed == [Says::Stage, Says::Cancelled]
            }),
        ]
    }
}

/// The durable messages up to `seq`.
fn through(seq: u8) -> u8 {
    (1 << seq) - 1
}

impl State {
    /// Whether nothing more happens unless a client or another worker comes.
    fn is_quiet(&self, adopts: bool) -> bool {
        self.workers.iter().all(|worker| *worker == Worker::Over)
            && !self.is_leased
            && self.settlements.is_empty()
            && (0..self.watchdogs.len()).all(|index| !self.has_something_for(index, adopts))
    }

    /// Whether a look would change anything: one at a live lease, or at a job that waits for a
    /// worker, is only repeated later.
    fn has_something_for(&self, index: usize, adopts: bool) -> bool {
        let (epoch, is_repeated) = self.watchdogs[index];
        let next = self.log.get(usize::from(self.seq)).copied();
        if self.has_ended || epoch < self.epoch || is_repeated {
            return true;
        }
        // What a settlement does not adopt stands in its way, however often it is tried.
        let is_in_the_way =
            |(writer, says): (u8, Says)| writer == self.epoch && says != Says::Cancelled;
        let is_stuck = !adopts && self.is_cancel_requested && next.is_some_and(is_in_the_way);
        let is_due = self.is_cancel_requested || next.is_some();
        epoch == self.epoch && self.is_running && !self.is_leased && is_due && !is_stuck
    }

    fn claim(&mut self, index: usize, watches: bool) {
        if self.has_ended || self.is_leased {
            self.workers[index] = Worker::Over;
            return;
        }
        if self.is_running {
            // A takeover sends the log again.
            self.sent = through(self.seq);
        }
        self.is_without_lease = false;
        self.epoch += 1;
        let epoch = self.epoch;
        if watches && !self.watchdogs.iter().any(|(watched, _)| *watched == epoch) {
            // Another claim came between: see `Handler::claim`.
            self.watchdogs.push((epoch, false));
        }
        (self.is_running, self.is_leased) = (true, true);
        let place = usize::from(self.seq);
        self.workers[index] = Worker::Working { epoch };
        // What is in the log is adopted, as a call of its own.
        if let Some(event) = self.log.get_mut(place) {
            event.0 = epoch;
            let place = self.seq;
            self.workers[index] = Worker::Appended { epoch, place };
        }
    }

    fn append(&mut self, index: usize) {
        let Worker::Working { epoch } = self.workers[index] else {
            return;
        };
        // The worker's own count: it is wrong about the job once that was settled without it.
        let place = self.seq;
        let says = match (self.is_cancel_requested, place + 1 < EVENTS) {
            (true, _) => Says::Cancelled,
            (false, true) => Says::Stage,
            (false, false) => Says::Complete,
        };
        self.workers[index] = if self.put(place, epoch, says).is_some() {
            Worker::Appended { epoch, place }
        } else {
            Worker::Over
        };
    }

    /// Writes to the log, unless the same claim has; `None` if a later one has.
    fn put(&mut self, place: u8, epoch: u8, says: Says) -> Option<Says> {
        match self.log.get_mut(usize::from(place)) {
            None => self.log.push((epoch, says)),
            Some(there) if there.0 > epoch => return None,
            Some(there) if there.0 == epoch => return Some(there.1),
            Some(there) => *there = (epoch, says),
        }
        Some(says)
    }

    fn commit(&mut self, index: usize) {
        let Worker::Appended { epoch, place } = self.workers[index] else {
            return;
        };
        self.workers[index] = Worker::Over;
        if self.epoch != epoch {
            return;
        }
        if self.seq == place && !self.has_ended {
            self.reach(place);
            self.is_leased = !self.has_ended;
            self.is_without_lease = false;
        }
        // The worker's function sends it, also if it was committed without it; that is another
        // model's.
        if self.seq > place {
            self.sent |= through(place + 1) & !through(place);
        }
        if self.seq > place && !self.has_ended {
            self.workers[index] = Worker::Working { epoch };
        }
    }

    fn reach(&mut self, place: u8) {
        let says = self.log[usize::from(place)].1;
        self.seq = place + 1;
        self.committed.push(says);
        if says != Says::Stage {
            self.has_ended = true;
            self.is_running = false;
            self.is_leased = false;
            self.endings += 1;
        }
    }

    fn cancel(&mut self, watches: bool) {
        self.requests += 1;
        self.is_cancel_requested = true;
        if self.is_leased {
            self.is_accepted = true;
        } else {
            if watches && self.epoch == 0 {
                self.watchdogs.push((0, false));
            }
            self.start_settling(By::Request, true);
        }
    }

    fn start_settling(&mut self, by: By, cancels: bool) {
        self.settlements.push(Settlement {
            by,
            epoch: self.epoch,
            seq: self.seq,
            before: self.seq,
            cancels,
            at: At::Append,
        });
    }

    fn look(&mut self, index: usize) {
        let (epoch, is_repeated) = self.watchdogs.remove(index);
        if is_repeated || self.is_without_lease {
            self.sent = through(self.seq);
        }
        if self.has_ended || epoch != self.epoch {
            return;
        }
        if self.is_leased {
            self.watchdogs.push((epoch, false));
            return;
        }
        let cancels = self.is_cancel_requested;
        self.start_settling(By::Watchdog { epoch }, cancels);
    }

    fn settle(&mut self, index: usize, adopts: bool) {
        let mut settlement = self.settlements[index].clone();
        let (epoch, place) = (settlement.epoch, settlement.seq);
        let is_changed = settlement.seq > settlement.before;
        settlement.at = match settlement.at {
            At::Append => {
                let left = self.log.get(usize::from(place)).map(|(_, says)| *says);
                // Without a request, only what is in the log is committed.
                let says = if settlement.cancels {
                    Some(Says::Cancelled)
                } else {
                    left
                };
                match says.and_then(|says| Some((says, self.put(place, epoch, says)?))) {
                    Some((says, there)) if says == there || adopts => At::Commit,
                    _ => At::Notify,
                }
            }
            At::Commit => {
                let is_ours = self.epoch == epoch && self.seq == place && !self.is_leased;
                if is_ours && !self.has_ended {
                    self.reach(place);
                    self.is_without_lease = true;
                }
                if self.epoch == epoch && self.seq > place {
                    settlement.seq = self.seq;
                    if self.has_ended {
                        At::Notify
                    } else {
                        At::Append
                    }
                } else {
                    At::Notify
                }
            }
            At::Notify => {
                if is_changed {
                    self.sent |= through(settlement.seq) & !through(settlement.before);
                }
                self.settlements.remove(index);
                match settlement.by {
                    By::Request => self.is_accepted = true,
                    // It looks again, unless it has seen the job's end.
                    By::Watchdog { epoch } => {
                        let sees_end = self.has_ended && is_changed && settlement.seq == self.seq;
                        if !sees_end {
                            self.watchdogs.push((epoch, false));
                        }
                    }
                }
                return;
            }
        };
        self.settlements[index] = settlement;
    }
}

#[test]
fn every_interleaving_of_dying_workers_and_cancellations_ends_what_was_accepted() {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let checker = WHOLE.checker().threads(threads).spawn_bfs().join();
    checker.assert_properties();
    let states = checker.unique_state_count();
    assert!(states > 10_000, "{states}");
}

fn finds_an_accepted_request_without_an_end(protocol: Protocol) -> bool {
    const PROPERTY: &str = "an accepted request ends the job";
    let found = HasDiscoveries::AnyOf([PROPERTY].into());
    let checker = protocol.checker().finish_when(found).spawn_bfs().join();
    checker.discovery(PROPERTY).is_some()
}

#[test]
fn without_a_watchdog_a_cancelled_job_of_a_dead_worker_never_ends() {
    let protocol = Protocol {
        watches: false,
        ..WHOLE
    };
    assert!(finds_an_accepted_request_without_an_end(protocol));
}

#[test]
fn settlement_that_adopts_nothing_leaves_a_job_with_an_uncommitted_event_for_ever() {
    let protocol = Protocol {
        adopts: false,
        ..WHOLE
    };
    assert!(finds_an_accepted_request_without_an_end(protocol));
}
