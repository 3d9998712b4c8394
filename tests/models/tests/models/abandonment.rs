//! Jobs whose external worker dies, is silent for a while, or is replaced, while somebody cancels them.
//! Each step is one call that is atomic in DynamoDB or SQS, or the death of a process.
//!
//! | step here | in `handlers-core` |
//! | --- | --- |
//! | `Start` | `Handler::claim`: the job is read, and a watchdog is scheduled for the claim after its last one |
//! | `Claim` | `JobStore::claim_for`: the claim is written if it follows the one that was read, and what is in the log adopted; otherwise the job is read again |
//! | `Watch` | what `Handler::claim` would do after a claim that does not follow the one that was read |
//! | `Append`, `Commit` | `Publisher::publish` of a worker's post |
//! | `Die` | a worker that never comes back, between any two of its calls |
//! | `LeaseEnds` | a worker may be silent for so long at any time, and go on later |
//! | `Cancel` | `JobStore::request_cancel`, then `Unattended::settle` if nothing holds the job; an unclaimed job gets a watchdog before |
//! | `Look` | the watchdog's `look`: it retires, waits, or settles the job |
//! | `GiveUp` | the same after 15 minutes: `Unattended::give_up` schedules a watchdog for its own claim |
//! | `Settle` | the next call of `Unattended::give_up` and `settle`: claim, append, commit, notify |
//! | `Crash` | the process of a settlement ends; a watchdog's pointer comes again |

mod mistakes;
mod state;

use std::num::NonZero;

use stateright::{Checker as _, Model, Property};

use self::state::{By, Says, State, Worker, through};

/// Claims of the job.
const CLAIMS: u8 = 2;
/// Requests to cancel it, times that the watchdog gives it up, and settlements that are cut short: one
/// of each at most, and so many of them together.
const INCIDENTS: u8 = 2;
/// The worker's durable events: a stage, then the end of the job.
const EVENTS: u8 = 2;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Start,
    Claim(usize),
    Watch(usize),
    Append(usize),
    Commit(usize),
    Die(usize),
    LeaseEnds,
    Cancel,
    Look(usize),
    GiveUp(usize),
    Settle(usize),
    Crash(usize),
}

/// The protocol, or one that lacks something.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a rule that can be left out"
)]
struct Protocol {
    /// Claims start a watchdog.
    watches: bool,
    /// A claim is written only if it follows the one that was read.
    rereads: bool,
    /// A settlement commits the event that it finds in its place.
    adopts: bool,
    /// The watchdog claims a job before it gives it up.
    takes: bool,
    /// A later claim does not adopt the end of a job that was given up.
    skips: bool,
}

const WHOLE: Protocol = Protocol {
    watches: true,
    rereads: true,
    adopts: true,
    takes: true,
    skips: true,
};

impl Model for Protocol {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Step>) {
        let incidents = state.requests + state.give_ups + state.crashes;
        let is_possible = |before: u8| before == 0 && incidents < INCIDENTS;
        let is_free = !state.has_ended && !state.is_leased;
        if state.workers.len() < usize::from(CLAIMS) && is_free {
            actions.push(Step::Start);
        }
        for (index, worker) in state.workers.iter().enumerate() {
            match worker {
                Worker::Claiming { .. } => actions.push(Step::Claim(index)),
                Worker::Unwatched { .. } => actions.push(Step::Watch(index)),
                Worker::Working { .. } => actions.push(Step::Append(index)),
                Worker::Appended { .. } => actions.push(Step::Commit(index)),
                Worker::Over => continue,
            }
            actions.push(Step::Die(index));
        }
        if state.is_leased {
            actions.push(Step::LeaseEnds);
        }
        if is_possible(state.requests) && !state.has_ended {
            actions.push(Step::Cancel);
        }
        for index in 0..state.watchdogs.len() {
            if state.has_something_for(index, self) {
                actions.push(Step::Look(index));
            } else if is_possible(state.give_ups) && state.is_silent_for(index) {
                actions.push(Step::GiveUp(index));
            }
        }
        for index in 0..state.settlements.len() {
            actions.push(Step::Settle(index));
            if is_possible(state.crashes) {
                actions.push(Step::Crash(index));
            }
        }
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        let mut state = state.clone();
        match step {
            Step::Start => {
                state.workers.push(Worker::Claiming { read: state.epoch });
                if self.watches {
                    state.schedule(state.epoch + 1);
                }
            }
            Step::Claim(index) => state.claim(index, self),
            Step::Watch(index) => state.watch(index, self),
            Step::Append(index) => state.append(index),
            Step::Commit(index) => state.commit(index),
            Step::Die(index) => state.workers[index] = Worker::Over,
            Step::LeaseEnds => state.is_leased = false,
            Step::Cancel => state.cancel(self.watches),
            Step::Look(index) => state.look(index),
            Step::GiveUp(index) => state.give_up(index, self),
            Step::Settle(index) => state.settle(index, self),
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
                    !state.is_quiet(model) || !state.is_accepted || state.has_ended
                },
            ),
            Property::always(
                "a terminal event in the log of a claimed job ends it",
                |model: &Self, state: &State| {
                    let next = state.adoptable(state.seq, state.epoch, model);
                    let is_terminal = next.is_some_and(|says| says != Says::Stage);
                    !state.is_quiet(model) || !state.is_running || !is_terminal
                },
            ),
            Property::always(
                "subscribers hear what was committed for a dead worker",
                |model: &Self, state: &State| {
                    !model.watches || !state.is_quiet(model) || state.sent == through(state.seq)
                },
            ),
            Property::always(
                "a worker that is back is not overruled",
                |_, state: &State| !state.is_overruled,
            ),
            Property::always("only what is committed is sent", |_, state: &State| {
                state.sent & !through(state.seq) == 0
            }),
            Property::sometimes("a job fails with its worker", |_, state: &State| {
                matches!(state.committed.last(), Some(Says::Lost { .. }))
            }),
            Property::sometimes(
                "a worker ends a job that the watchdog wanted to fail",
                |_, state: &State| {
                    state.committed.last() == Some(&Says::Complete)
                        && state.log.len() == usize::from(state.seq)
                        && state.give_ups > 0
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

#[test]
fn every_interleaving_of_dying_workers_and_cancellations_ends_what_was_accepted() {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let checker = WHOLE.checker().threads(threads).spawn_bfs().join();
    checker.assert_properties();
    let states = checker.unique_state_count();
    assert!(states > 10_000, "{states}");
}
