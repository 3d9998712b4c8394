//! Publishing, subscribing and claiming. Each step is one atomic call to DynamoDB, or one post.
//!
//! | step here | in `stagecast-core` |
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
mod state;

use std::num::NonZero;

use stateright::{Checker as _, Model, Property};

use self::state::{Client, Job, Run, State, Subscribing};

/// The number of durable messages. The last one ends the job.
const MESSAGES: u8 = 3;
/// The number of runs.
const RUNS: usize = 2;
/// Maximum number of disconnects.
const DISCONNECTS: u8 = 1;
/// Maximum number of failed posts and unconditional subscriptions.
const INCIDENTS: u8 = 1;

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
        state.normalize();
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

fn is_unique(seqs: &[u8]) -> bool {
    let mut seqs = seqs.to_vec();
    seqs.sort_unstable();
    seqs.windows(2).all(|pair| pair[0] != pair[1])
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
