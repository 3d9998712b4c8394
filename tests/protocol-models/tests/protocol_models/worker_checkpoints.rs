//! Checkpoints of external workers: posts with lost answers and late repeats, releases and takeovers. Each step
//! is one atomic call to DynamoDB, a step of the worker, or the arrival of an answer. A post that makes no more
//! steps is that of a killed function; a worker that makes none has crashed.
//!
//! | step here | in the code |
//! | --- | --- |
//! | `Claim` | `JobStore::claim_for`: of a queued job, or after the lease has ended, which it may at any time |
//! | `ReadItem`, `Answer` | `CheckpointStore::take_over`: reads the item, then writes it under the epoch of the claim |
//! | `Checkpoint` | the stage makes a step, and the worker posts its state as a `checkpoint` |
//! | `Finish` | the worker posts a `stage_complete` |
//! | `Repeat` | the worker repeats its post, because it has no answer |
//! | `Serve` | the next call of a post: `sequence::validate`, `CheckpointStore::save`, `JobStore::report_if_newer`, or `EventStore::append` with `JobStore::finish_stage`, which `posts.rs` models as two calls; or its answer arrives |
//! | `Release` | `POST /v1/jobs/{job_id}/release`: `JobStore::hand_back` |
//!
//! A worker that has lost its job may go on, but all that it sends from then on is refused by `sequence::validate`.
//! So only its posts that have passed that are of interest, and the others are left out.

mod mistakes;
mod state;

use std::num::NonZero;

use stateright::{Checker as _, HasDiscoveries, Model, Property};

use state::{Phase, State};

/// Maximum number of claims.
const CLAIMS: u8 = 3;
/// Maximum number of repeated posts.
const REPEATS: u8 = 1;
/// Steps of each stage.
const STEPS: u8 = 2;
/// Stages of the job.
const STAGES: u8 = 2;

/// The protocol, or a variant that lacks a rule.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a rule that can be left out"
)]
struct Protocol {
    /// A checkpoint does not replace that of a later claim.
    compares_epochs: bool,
    /// A checkpoint does not replace one after a later durable event.
    compares_seqs: bool,
    /// A checkpoint does not replace one with a higher number.
    compares_numbers: bool,
    /// A claim writes the item under its epoch before it is answered.
    fences_claims: bool,
    /// A checkpoint is accepted under the lease only.
    records_under_lease: bool,
    /// The answer to a claim leaves out the state of a finished stage.
    hides_finished: bool,
    /// A durable event that the log has is not applied again.
    recognizes_repeats: bool,
}

const FULL_PROTOCOL: Protocol = Protocol {
    compares_epochs: true,
    compares_seqs: true,
    compares_numbers: true,
    fences_claims: true,
    records_under_lease: true,
    hides_finished: true,
    recognizes_repeats: true,
};

/// The worker of a step is the index of its claim; a post is the index among those that are on their way.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Claim,
    ReadItem(usize),
    Answer(usize),
    Checkpoint(usize),
    Finish(usize),
    Repeat(usize),
    Serve(usize),
    Release(usize),
}

impl Model for Protocol {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Step>) {
        if state.has_completed_twice() {
            // The property is violated, and later stages would not be those of the job.
            return;
        }
        if state.is_claimable() {
            actions.push(Step::Claim);
        }
        for (index, worker) in state.workers().iter().enumerate() {
            match worker.phase {
                Phase::Claimed => actions.push(Step::ReadItem(index)),
                Phase::Read(_) => actions.push(Step::Answer(index)),
                Phase::Working => {
                    actions.push(Step::Release(index));
                    actions.push(if worker.done < STEPS {
                        Step::Checkpoint(index)
                    } else {
                        Step::Finish(index)
                    });
                }
                Phase::Waiting if state.repeats() < REPEATS => actions.push(Step::Repeat(index)),
                Phase::Waiting | Phase::Over => {}
            }
        }
        actions.extend((0..state.posts().len()).map(Step::Serve));
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        let mut state = state.clone();
        match step {
            Step::Claim => state.claim(),
            Step::ReadItem(worker) => state.read_item(worker),
            Step::Answer(worker) => state.answer(worker, self),
            Step::Checkpoint(worker) => state.post_checkpoint(worker),
            Step::Finish(worker) => state.post_finish(worker),
            Step::Repeat(worker) => state.repeat(worker),
            Step::Serve(post) => state.serve(post, self),
            Step::Release(worker) => state.release(worker),
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(NEWEST, |_, state: &State| {
                !state.faults().is_behind_accepted
            }),
            Property::always(NO_OLDER_THAN_BEFORE, |_, state: &State| {
                !state.faults().is_behind_claim
            }),
            Property::always(UNFINISHED, |_, state: &State| {
                !state.faults().is_of_finished_stage
            }),
            Property::always(NOT_BACK, |_, state: &State| !state.faults().has_gone_back),
            Property::always(ONCE, |_, state: &State| !state.has_completed_twice()),
            Property::always(NOT_TAKEN_OVER, |_, state: &State| {
                !state.faults().is_taken_over_heard
            }),
            Property::always(NOT_REFUSED, |_, state: &State| {
                !state.faults().is_holder_refused
            }),
            Property::sometimes("a late repeat is outdated", |_, state: &State| {
                state.has_outdated_repeat()
            }),
            Property::sometimes(
                "a job ends after a hand-on and a takeover that continued a state",
                |_, state: &State| state.has_ended_after_continuations(),
            ),
        ]
    }
}

const NEWEST: &str = "a claim gets no state older than an accepted one";
const NO_OLDER_THAN_BEFORE: &str = "a claim gets no state older than an earlier claim's";
const UNFINISHED: &str = "a claim gets no state of a finished stage";
const NOT_BACK: &str = "the stored state does not go back";
const ONCE: &str = "each stage completes once";
const NOT_TAKEN_OVER: &str = "a worker whose job was taken over commits nothing";
const NOT_REFUSED: &str = "a post of the holder is not refused";

fn explore(model: Protocol, until: HasDiscoveries) -> impl stateright::Checker<Protocol> {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let checker = model.checker().threads(threads).finish_when(until);
    checker.spawn_bfs().join()
}

#[test]
fn external_workers_continue_the_newest_state_in_every_interleaving() {
    let checker = explore(FULL_PROTOCOL, HasDiscoveries::All);
    checker.assert_properties();
    let states = checker.unique_state_count();
    assert!(states > 10_000, "{states}");
}
