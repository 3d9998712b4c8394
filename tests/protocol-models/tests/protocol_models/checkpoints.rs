//! Runs that store checkpoints of a stage, hand it on, are killed, or lose their lease to another run. Each
//! step is one atomic call to DynamoDB, or the death of a process.
//!
//! | step here | in `stagecast-core` |
//! | --- | --- |
//! | `Claim` | `JobStore::claim`: of a queued job, or after the lease has ended |
//! | `Load` | `Runner::stage_checkpoint`: reads the item and continues the stage, or starts it |
//! | `Work` | the stage makes a step, and offers its state |
//! | `Report` | `JobStore::report`: progress without a checkpoint |
//! | `Store` | `CheckpointStore::save`: writes the item, unless a later claim has |
//! | `Record` | `JobStore::report` with `ProgressWrite::Checkpoint` |
//! | `HandOn` | `JobStore::release`, after the last state was recorded |
//! | `Finish` | `JobStore::finish_stage`; the last one also ends the job |
//! | `LeaseEnds`, `Die` | a run is silent until its lease ends and may continue later; a run is killed |

use std::num::NonZero;

use stateright::{Checker as _, Model, Property};

/// Maximum number of claims.
const CLAIMS: u8 = 3;
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
    /// A run does not replace the state of a later claim.
    fences_states: bool,
    /// A continued attempt starts at the progress that was shown last.
    keeps_shown_progress: bool,
    /// The end of a stage removes its checkpoint from the job.
    clears_checkpoint: bool,
    /// A run that continues no checkpoint starts the next attempt.
    counts_attempts: bool,
}

const FULL_PROTOCOL: Protocol = Protocol {
    fences_states: true,
    keeps_shown_progress: true,
    clears_checkpoint: true,
    counts_attempts: true,
};

/// The state of a stage: the stage, and the steps that are done.
type Steps = (u8, u8);

/// The job's item.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Job {
    epoch: u8,
    is_running: bool,
    is_leased: bool,
    /// The number of stages that have finished.
    finished: u8,
    /// The running stage, or the last one; 0 before the first report.
    stage: u8,
    progress: u8,
    attempt: u8,
    attempt_epoch: u8,
    checkpoint_attempt: Option<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Loading,
    Working,
    /// The state was written, but not recorded in the job.
    Stored,
    /// The state was recorded, and no step was made since.
    Recorded,
    Over,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Run {
    /// The job as the claim read it.
    claimed: Job,
    stage: u8,
    attempt: u8,
    done: u8,
    /// The percentage of the stage, in steps. It never goes back within the run.
    progress: u8,
    phase: Phase,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct State {
    job: Job,
    /// The item with the checkpoint, and the epoch of its claim.
    item: Option<(u8, Steps)>,
    runs: Vec<Run>,
    /// What subscribers were shown last: stage, attempt, progress.
    shown: (u8, u8, u8),
    has_gone_back: bool,
    /// The state at which the last run handed its stage on, if no run has loaded it.
    handed_on: Option<Steps>,
    has_lost_work: bool,
    hand_ons: u8,
    takeovers: u8,
    endings: u8,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Claim,
    Load(usize),
    Work(usize),
    Report(usize),
    Store(usize),
    Record(usize),
    HandOn(usize),
    Finish(usize),
    LeaseEnds,
    Die(usize),
}

impl Job {
    /// As `Job::attempt_at`.
    fn attempt_at(&self, stage: u8, epoch: u8, model: &Protocol) -> u8 {
        if self.stage != stage {
            return 1;
        }
        let attempt = self.attempt.max(1);
        let is_continued = self.attempt_epoch == epoch || self.checkpoint_attempt == Some(attempt);
        if is_continued || !model.counts_attempts {
            attempt
        } else {
            attempt + 1
        }
    }
}

impl State {
    /// Whether the run holds the lease, which every write to the job requires.
    fn holds(&self, run: &Run) -> bool {
        self.job.is_running && self.job.epoch == run.claimed.epoch
    }

    fn claim(&mut self) {
        if self.job.is_running {
            self.takeovers += 1;
        }
        self.job.epoch += 1;
        (self.job.is_running, self.job.is_leased) = (true, true);
        self.runs.push(Run {
            claimed: self.job.clone(),
            stage: self.job.finished + 1,
            attempt: 0,
            done: 0,
            progress: 0,
            phase: Phase::Loading,
        });
    }

    fn load(&mut self, index: usize, model: &Protocol) {
        let run = &mut self.runs[index];
        let job = &run.claimed;
        run.attempt = job.attempt_at(run.stage, job.epoch, model);
        let stored = self.item.filter(|(_, (stage, _))| {
            job.checkpoint_attempt.is_some() && *stage == run.stage && job.stage == run.stage
        });
        if let Some((_, (_, done))) = stored {
            run.done = done;
            let is_continued = job.checkpoint_attempt == Some(job.attempt);
            let shown = if is_continued && model.keeps_shown_progress {
                job.progress
            } else {
                0
            };
            run.progress = done.max(shown);
        }
        run.phase = Phase::Working;
        let loaded = (run.stage, run.done);
        if self.job.epoch == run.claimed.epoch
            && let Some(handed_on) = self.handed_on.take()
        {
            self.has_lost_work |= loaded < handed_on;
        }
        self.report(index, false);
    }

    /// Writes the progress of a run, if it holds the lease, and shows it.
    fn report(&mut self, index: usize, has_checkpoint: bool) {
        if !self.holds(&self.runs[index]) {
            self.runs[index].phase = Phase::Over;
            return;
        }
        let run = &self.runs[index];
        let job = &mut self.job;
        job.is_leased = true;
        (job.stage, job.progress) = (run.stage, run.progress);
        (job.attempt, job.attempt_epoch) = (run.attempt, job.epoch);
        if has_checkpoint {
            job.checkpoint_attempt = Some(run.attempt);
        }
        let now = (run.stage, run.attempt, run.progress);
        self.has_gone_back |= now < self.shown;
        self.shown = now;
    }

    fn store(&mut self, index: usize, model: &Protocol) {
        let run = &mut self.runs[index];
        let epoch = run.claimed.epoch;
        if model.fences_states && self.item.is_some_and(|(other, _)| other > epoch) {
            run.phase = Phase::Over;
            return;
        }
        self.item = Some((epoch, (run.stage, run.done)));
        run.phase = Phase::Stored;
    }

    fn finish(&mut self, index: usize, model: &Protocol) {
        if !self.holds(&self.runs[index]) {
            self.runs[index].phase = Phase::Over;
            return;
        }
        self.job.finished += 1;
        self.job.is_leased = true;
        if model.clears_checkpoint {
            self.job.checkpoint_attempt = None;
        }
        let run = &mut self.runs[index];
        if self.job.finished == STAGES {
            self.job.is_running = false;
            self.endings += 1;
            run.phase = Phase::Over;
            return;
        }
        (run.stage, run.attempt, run.done, run.progress) = (run.stage + 1, 1, 0, 0);
        run.phase = Phase::Working;
        self.report(index, false);
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Step>) {
        let is_free = state.endings == 0 && !state.job.is_leased;
        if state.job.epoch < CLAIMS && is_free {
            actions.push(Step::Claim);
        }
        if state.job.is_leased {
            actions.push(Step::LeaseEnds);
        }
        for (index, run) in state.runs.iter().enumerate() {
            match run.phase {
                Phase::Over => continue,
                Phase::Loading => actions.push(Step::Load(index)),
                Phase::Stored => actions.push(Step::Record(index)),
                Phase::Working | Phase::Recorded if run.done == STEPS => {
                    actions.extend([Step::Report(index), Step::Finish(index)]);
                }
                Phase::Working | Phase::Recorded => {
                    actions.push(Step::Work(index));
                    if run.phase == Phase::Recorded {
                        actions.push(Step::HandOn(index));
                    } else if run.done > 0 {
                        actions.extend([Step::Report(index), Step::Store(index)]);
                    }
                }
            }
            actions.push(Step::Die(index));
        }
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        let mut state = state.clone();
        match step {
            Step::Claim => state.claim(),
            Step::Load(index) => state.load(index, self),
            Step::Work(index) => {
                let run = &mut state.runs[index];
                run.done += 1;
                run.progress = run.progress.max(run.done);
                run.phase = Phase::Working;
            }
            Step::Report(index) => state.report(index, false),
            Step::Store(index) => state.store(index, self),
            Step::Record(index) => {
                state.runs[index].phase = Phase::Recorded;
                state.report(index, true);
            }
            Step::HandOn(index) => {
                let run = &mut state.runs[index];
                run.phase = Phase::Over;
                let steps = (run.stage, run.done);
                if state.job.is_running && state.job.epoch == state.runs[index].claimed.epoch {
                    (state.job.is_running, state.job.is_leased) = (false, false);
                    state.handed_on = Some(steps);
                    state.hand_ons += 1;
                }
            }
            Step::Finish(index) => state.finish(index, self),
            Step::LeaseEnds => state.job.is_leased = false,
            Step::Die(index) => state.runs[index].phase = Phase::Over,
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("a job ends once", |_, state: &State| state.endings <= 1),
            Property::always(
                "progress does not go back within an attempt",
                |_, state: &State| !state.has_gone_back,
            ),
            Property::always("a hand-on repeats no work", |_, state: &State| {
                !state.has_lost_work
            }),
            Property::sometimes(
                "a job ends after a hand-on and a takeover",
                |_, state: &State| state.endings == 1 && state.hand_ons > 0 && state.takeovers > 0,
            ),
            Property::sometimes("a stage starts its second attempt", |_, state: &State| {
                state.job.attempt == 2
            }),
        ]
    }
}

fn explore(model: Protocol) -> impl stateright::Checker<Protocol> {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    model.checker().threads(threads).spawn_bfs().join()
}

#[test]
fn stages_are_continued_in_every_interleaving() {
    let checker = explore(FULL_PROTOCOL);
    checker.assert_properties();
    let states = checker.unique_state_count();
    assert!(states > 1_000, "{states}");
}

/// Requires that the model finds a counterexample of `property`.
fn breaks(model: Protocol, property: &'static str) {
    let found = explore(model).discovery(property);
    assert!(found.is_some(), "nothing breaks: {property}");
}

#[test]
fn state_that_is_not_fenced_repeats_work() {
    let model = Protocol {
        fences_states: false,
        ..FULL_PROTOCOL
    };
    breaks(model, "a hand-on repeats no work");
}

#[test]
fn attempt_that_starts_at_its_checkpoint_goes_back() {
    let model = Protocol {
        keeps_shown_progress: false,
        ..FULL_PROTOCOL
    };
    breaks(model, "progress does not go back within an attempt");
}

#[test]
fn checkpoint_that_outlives_its_stage_lets_the_next_one_go_back() {
    let model = Protocol {
        clears_checkpoint: false,
        ..FULL_PROTOCOL
    };
    breaks(model, "progress does not go back within an attempt");
}

#[test]
fn restart_within_an_attempt_goes_back() {
    let model = Protocol {
        counts_attempts: false,
        ..FULL_PROTOCOL
    };
    breaks(model, "progress does not go back within an attempt");
}
