//! External jobs that are cancelled while their worker dies, is silent for a while, or is replaced. Each
//! step is one atomic call to DynamoDB or SQS, or the death of a process.
//!
//! | step here | in `stagecast-core` |
//! | --- | --- |
//! | `Start` | `Handler::claim`: reads the job and schedules a watchdog for the next epoch |
//! | `Claim` | `JobStore::claim_for`: writes the claim if the epoch is the one that was read, and adopts an uncommitted event; otherwise reads the job again |
//! | `Watch` | without that condition: `Handler::claim` schedules the watchdog after the claim |
//! | `Append`, `Commit` | `Publisher::publish` of a worker's post |
//! | `Die` | a worker dies between two of its calls |
//! | `LeaseEnds` | a worker is silent until its lease ends, and may continue later |
//! | `Cancel` | `JobStore::request_cancel`, then `Unattended::settle` if the job has no lease; schedules a watchdog for an unclaimed job before |
//! | `RunWatchdog` | the watchdog checks the job: it retires, waits, or settles the job |
//! | `GiveUp` | the same after 15 minutes: `Unattended::give_up` schedules a watchdog for its own claim |
//! | `Settle` | the next call of `Unattended::give_up` and `settle`: claim, append, commit, notify |
//! | `Crash` | the process of a settlement dies; the watchdog's delivery task is received again |

mod mistakes;
mod state;

use std::num::NonZero;

use stateright::{Checker as _, Model, Property};

use self::state::{Event, State, Trigger, Worker, through};

/// Maximum number of workers that claim the job.
const CLAIMS: u8 = 2;
/// Maximum total of cancellation requests, give-ups by the watchdog, and interrupted settlements. Each
/// happens at most once.
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
    RunWatchdog(usize),
    GiveUp(usize),
    Settle(usize),
    Crash(usize),
}

/// The protocol, or a variant that lacks a rule.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a rule that can be left out"
)]
struct Protocol {
    /// Claims schedule a watchdog.
    schedules_watchdog: bool,
    /// A claim is written only if the epoch is the one that was read.
    rejects_stale_claims: bool,
    /// A settlement commits an uncommitted event that it finds in the log.
    adopts_events: bool,
    /// The watchdog claims a job before it gives it up.
    watchdog_claims: bool,
    /// A later claim discards an uncommitted `worker_lost`.
    discards_worker_lost: bool,
}

const FULL_PROTOCOL: Protocol = Protocol {
    schedules_watchdog: true,
    rejects_stale_claims: true,
    adopts_events: true,
    watchdog_claims: true,
    discards_worker_lost: true,
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
            if state.is_actionable(index, self) {
                actions.push(Step::RunWatchdog(index));
            } else if is_possible(state.give_ups) && state.can_give_up(index) {
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
                if self.schedules_watchdog {
                    state.schedule(state.epoch + 1);
                }
            }
            Step::Claim(index) => state.claim(index, self),
            Step::Watch(index) => state.schedule_missing_watchdog(index, self),
            Step::Append(index) => state.append(index),
            Step::Commit(index) => state.commit(index),
            Step::Die(index) => state.workers[index] = Worker::Over,
            Step::LeaseEnds => state.is_leased = false,
            Step::Cancel => state.cancel(self.schedules_watchdog),
            Step::RunWatchdog(index) => state.run_watchdog(index),
            Step::GiveUp(index) => state.give_up(index, self),
            Step::Settle(index) => state.settle(index, self),
            Step::Crash(index) => {
                state.crashes += 1;
                // A request is not repeated: its client got no response.
                if let Trigger::Watchdog { epoch } = state.settlements.remove(index).by {
                    state.watchdogs.push((epoch, true));
                }
            }
        }
        // Queued messages and processes are unordered.
        state.workers.sort_unstable();
        state.watchdogs.sort_unstable();
        state.settlements.sort_unstable();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "what is committed is in the log and never changes",
                |_, state: &State| {
                    let log = state.log.iter().map(|(_, event)| event);
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
                    let is_terminal = next.is_some_and(|event| event != Event::Stage);
                    !state.is_quiet(model) || !state.is_running || !is_terminal
                },
            ),
            Property::always(
                "subscribers get what was committed for a dead worker",
                |model: &Self, state: &State| {
                    !model.schedules_watchdog
                        || !state.is_quiet(model)
                        || state.sent == through(state.seq)
                },
            ),
            Property::always("a returning worker is not overruled", |_, state: &State| {
                !state.is_overruled
            }),
            Property::always("only what is committed is sent", |_, state: &State| {
                state.sent & !through(state.seq) == 0
            }),
            Property::sometimes("a job fails with its worker", |_, state: &State| {
                matches!(state.committed.last(), Some(Event::Lost { .. }))
            }),
            Property::sometimes(
                "a worker ends a job that the watchdog wanted to fail",
                |_, state: &State| {
                    state.committed.last() == Some(&Event::Complete)
                        && state.log.len() == usize::from(state.seq)
                        && state.give_ups > 0
                },
            ),
            Property::sometimes("a worker ends its job", |_, state: &State| {
                state.committed.last() == Some(&Event::Complete)
            }),
            Property::sometimes("a job is cancelled after a stage", |_, state: &State| {
                state.committed == [Event::Stage, Event::Cancelled]
            }),
        ]
    }
}

#[test]
fn accepted_cancellations_end_in_every_interleaving() {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let checker = FULL_PROTOCOL.checker().threads(threads).spawn_bfs().join();
    checker.assert_properties();
    let states = checker.unique_state_count();
    assert!(states > 10_000, "{states}");
}
