//! Watching over HTTP while runs publish and take over. Each step is one atomic call to DynamoDB.
//!
//! | step here | in the code |
//! | --- | --- |
//! | `Claim` | `JobStore::claim`; a lease may end at any time, so any run can claim |
//! | `Append`, `Commit` | `EventStore::append`, then `JobStore::finish_stage` or `end` |
//! | `ReadFirst`, `ReadSecond` | the reads of the job and of the log for `GET /v1/jobs/{job_id}/events` |

use stateright::{Checker as _, Model, Property};

/// The number of durable messages. The last one ends the job.
const MESSAGES: usize = 3;
/// The number of runs.
const RUNS: usize = 3;

/// In which order the two reads are made, and which events the answer contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// The order of the function.
    JobThenLog,
    /// A mistake: the events that were read before the job.
    LogThenJob,
    /// A mistake: of these events, those up to the `seq` of the job.
    LogThenJobUpToItsSeq,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Claim(usize),
    Append(usize),
    Commit(usize),
    ReadFirst,
    ReadSecond,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
enum Run {
    Waiting,
    /// Has claimed the job, or has published everything up to `seq`.
    Working {
        epoch: u8,
        seq: usize,
    },
    /// Has logged the event at `seq`.
    Appended {
        epoch: u8,
        seq: usize,
    },
    Over,
}

impl Run {
    /// A run with everything up to `seq` published.
    fn after(epoch: u8, seq: usize) -> Self {
        if seq == MESSAGES {
            Self::Over
        } else {
            Self::Working { epoch, seq }
        }
    }
}

/// The epoch that wrote each event, by index `seq - 1`.
type Log = Vec<u8>;

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct State {
    seq: usize,
    epoch: u8,
    log: Log,
    runs: Vec<Run>,
    /// The job's `seq` and the log at the first of two reads.
    read: Option<(usize, Log)>,
    /// The events that the watcher has received. Its `after_seq` is their number.
    received: Log,
    /// The `seq` of the snapshot that it received last.
    snapshot: usize,
}

impl State {
    fn has_read_everything(&self) -> bool {
        self.snapshot == MESSAGES
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Claim(index) => {
                self.epoch += 1;
                self.runs[index] = Run::after(self.epoch, self.seq);
            }
            Step::Append(index) => {
                let Run::Working { epoch, seq } = self.runs[index] else {
                    return;
                };
                // An uncommitted event of an earlier claim is overwritten.
                self.runs[index] = match self.log.get(seq).copied() {
                    Some(there) if there >= epoch => Run::Over,
                    there => {
                        self.log
                            .truncate(self.log.len() - usize::from(there.is_some()));
                        self.log.push(epoch);
                        let seq = seq + 1;
                        Run::Appended { epoch, seq }
                    }
                };
            }
            Step::Commit(index) => {
                let Run::Appended { epoch, seq } = self.runs[index] else {
                    return;
                };
                let holds_lease = self.epoch == epoch && self.seq + 1 == seq;
                self.runs[index] = if holds_lease {
                    self.seq = seq;
                    Run::after(epoch, seq)
                } else {
                    Run::Over
                };
            }
            Step::ReadFirst | Step::ReadSecond => {}
        }
    }

    fn receive(&mut self, order: Order) {
        let Some((seq, log)) = self.read.take() else {
            return;
        };
        let (snapshot, log) = match order {
            Order::JobThenLog => (seq, &self.log[..seq]),
            Order::LogThenJob => (self.seq, &log[..]),
            Order::LogThenJobUpToItsSeq => (self.seq, &log[..log.len().min(self.seq)]),
        };
        let new = log.get(self.received.len()..).unwrap_or_default().to_vec();
        self.received.extend(new);
        self.snapshot = snapshot;
    }
}

struct Polling(Order);

impl Model for Polling {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            seq: 0,
            epoch: 0,
            log: Log::new(),
            runs: vec![Run::Waiting; RUNS],
            read: None,
            received: Log::new(),
            snapshot: 0,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Step>) {
        for (index, run) in state.runs.iter().enumerate() {
            match run {
                Run::Waiting => actions.push(Step::Claim(index)),
                Run::Working { .. } => actions.push(Step::Append(index)),
                Run::Appended { .. } => actions.push(Step::Commit(index)),
                Run::Over => {}
            }
        }
        if state.read.is_some() {
            actions.push(Step::ReadSecond);
        } else if !state.has_read_everything() {
            actions.push(Step::ReadFirst);
        }
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        let mut state = state.clone();
        state.run(&step);
        match step {
            Step::ReadFirst => state.read = Some((state.seq, state.log.clone())),
            Step::ReadSecond => state.receive(self.0),
            Step::Claim(_) | Step::Append(_) | Step::Commit(_) => {}
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "the watcher has exactly the events that are committed, up to its snapshot",
                |_, state: &State| {
                    state.received.len() == state.snapshot
                        && state.received == state.log[..state.snapshot.min(state.log.len())]
                        && state.snapshot <= state.seq
                },
            ),
            Property::sometimes("the watcher receives the end", |_, state: &State| {
                state.has_read_everything()
            }),
            Property::sometimes(
                "an event is committed between the two reads",
                |_, state: &State| state.read.as_ref().is_some_and(|(seq, _)| *seq < state.seq),
            ),
            Property::sometimes(
                "a takeover replaces an event between the two reads",
                |_, state: &State| {
                    let read = state.read.as_ref();
                    read.is_some_and(|(_, log)| !state.log.starts_with(log))
                },
            ),
        ]
    }
}

#[test]
fn watcher_over_http_has_the_committed_events_in_every_interleaving() {
    let checker = Polling(Order::JobThenLog).checker().spawn_bfs().join();
    checker.assert_properties();
    let states = checker.unique_state_count();
    assert!(states > 1_000, "{states}");
}

#[test]
fn reading_the_log_before_the_job_shows_other_events_than_those_committed() {
    for order in [Order::LogThenJob, Order::LogThenJobUpToItsSeq] {
        let checker = Polling(order).checker().spawn_bfs().join();
        let violated = "the watcher has exactly the events that are committed, up to its snapshot";
        assert!(checker.discovery(violated).is_some(), "{order:?}");
    }
}
