//! Workers that listen to a queue while jobs are created, workers die, and notifications are lost. Each step is one
//! atomic call to DynamoDB or API Gateway, or a fault.
//!
//! | step here | in the code |
//! | --- | --- |
//! | `Put`, `Commit` | the job's entry in its queue is stored, then the write that makes the job claimable |
//! | `List` | `QueueListenerStore::armed`: the consistent read of the armed listeners |
//! | `Disarm`, `Post` | `QueueWaker::notify_one`, for up to `wake_count` listeners at a time |
//! | `Read` | a claim reads the queue, for the first time or after it has armed the listener |
//! | `Try` | the claim of the first job that was read: a conditional write |
//! | `Arm` | the claim has found the queue empty and arms its listener |
//! | `Reset` | the claim has a job and disarms its listener before it answers |
//! | `PassOn` | the claim reads the queue: if jobs are left, it notifies another listener |
//! | `Wake` | a worker that has no job receives `job_available` and claims |
//! | `Poll` | the same after 300 seconds without a notification |
//! | `Finish` | a worker has finished its job and claims the next one |
//! | `Lose`, `Crash`, `Die` | a post is lost; the process of a wake-up ends; a worker ends |

use stateright::{Checker as _, Model, Property};

/// A set of jobs or workers, by index.
type Set = u8;

fn has(set: Set, index: usize) -> bool {
    set & (1 << index) != 0
}

fn members(set: Set) -> impl Iterator<Item = usize> {
    (0..8).filter(move |index| has(set, *index))
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Put(usize),
    Commit(usize),
    List(usize),
    Disarm(usize, usize),
    Post(usize, usize),
    Read(usize),
    Try(usize),
    Arm(usize),
    Reset(usize),
    PassOn(usize),
    Wake(usize),
    Poll(usize),
    Finish(usize),
    Lose(usize, usize),
    Crash(usize),
    Die(usize),
}

/// The process that makes a job claimable, or a claim that passes a notification on.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
enum Waker {
    Creating,
    /// Has stored the job's entry.
    Put,
    /// Has made the job claimable. A mistaken waker does that last, with the listeners that it has read before.
    Committed(Option<Set>),
    Waking {
        candidates: Set,
        disarmed: Set,
        posted: usize,
    },
    Done,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
enum Worker {
    Reading {
        has_armed: bool,
    },
    Trying {
        has_armed: bool,
        jobs: Set,
    },
    Arming,
    Claimed,
    /// Has a job, and its listener is not armed.
    Passing,
    Busy,
    Asleep,
    Dead,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct State {
    /// That of each job, then that of each worker.
    wakers: Vec<Waker>,
    workers: Vec<Worker>,
    /// Entries in the queue, and jobs that can be claimed.
    entries: Set,
    claimable: Set,
    /// Listeners that are armed, and workers that have an unread notification.
    armed: Set,
    notified: Set,
    /// Jobs that have disarmed each listener since it was armed.
    disarms: Vec<u8>,
    /// Notifications of each waker that were received.
    posts: Vec<usize>,
    deaths: usize,
    /// Lost posts and crashed wakers.
    faults: usize,
    polls: usize,
    finishes: usize,
}

/// The protocol, or a variant that lacks a rule, with the numbers of processes and faults.
#[derive(Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a rule that can be left out"
)]
struct Protocol {
    jobs: usize,
    workers: usize,
    deaths: usize,
    faults: usize,
    polls: usize,
    finishes: usize,
    /// Listeners that a job notifies.
    wake_count: usize,
    /// A claim reads the queue again after it has armed its listener.
    reads_again: bool,
    /// The listeners are read after the job has become claimable.
    lists_after_commit: bool,
    /// A listener is disarmed only if it is armed.
    disarms_armed_only: bool,
    /// A claim that has a job disarms its listener.
    claim_disarms: bool,
    /// A claim that has a job and leaves others notifies another listener: its worker may have been notified of them.
    passes_on: bool,
}

const FULL_PROTOCOL: Protocol = Protocol {
    jobs: 2,
    workers: 2,
    deaths: 0,
    faults: 0,
    polls: 1,
    finishes: 1,
    wake_count: 2,
    reads_again: true,
    lists_after_commit: true,
    disarms_armed_only: true,
    claim_disarms: true,
    passes_on: true,
};

const NO_JOB_WAITS: &str = "no job waits beside a worker that waits for a notification";
const ONE_JOB_DISARMS: &str = "an armed listener is disarmed by one job only";

impl Protocol {
    /// Listeners that the waker notifies.
    fn limit(self, waker: usize) -> usize {
        if waker < self.jobs {
            self.wake_count
        } else {
            1
        }
    }

    /// The steps that a process takes without a fault, a poll or the end of a job.
    fn own_steps(self, state: &State) -> Vec<Step> {
        let mut steps = Vec::new();
        for (job, waker) in state.wakers.iter().enumerate() {
            match waker {
                Waker::Creating => steps.push(Step::Put(job)),
                Waker::Put if self.lists_after_commit => steps.push(Step::Commit(job)),
                Waker::Put | Waker::Committed(None) => steps.push(Step::List(job)),
                Waker::Committed(Some(_)) => steps.push(Step::Commit(job)),
                Waker::Waking {
                    candidates,
                    disarmed,
                    posted,
                } => {
                    if posted + members(*disarmed).count() < self.limit(job) {
                        steps.extend(members(*candidates).map(|it| Step::Disarm(job, it)));
                    }
                    steps.extend(members(*disarmed).map(|it| Step::Post(job, it)));
                }
                Waker::Done => {}
            }
        }
        for (index, worker) in state.workers.iter().enumerate() {
            match worker {
                Worker::Reading { .. } => steps.push(Step::Read(index)),
                Worker::Trying { .. } => steps.push(Step::Try(index)),
                Worker::Arming => steps.push(Step::Arm(index)),
                Worker::Claimed => steps.push(Step::Reset(index)),
                Worker::Passing => steps.push(Step::PassOn(index)),
                Worker::Asleep if has(state.notified, index) => steps.push(Step::Wake(index)),
                Worker::Asleep | Worker::Busy | Worker::Dead => {}
            }
        }
        steps
    }

    fn waker_after(self, waker: usize, candidates: Set, disarmed: Set, posted: usize) -> Waker {
        let may_continue = posted < self.limit(waker) && candidates != 0;
        if disarmed != 0 || may_continue {
            Waker::Waking {
                candidates,
                disarmed,
                posted,
            }
        } else {
            Waker::Done
        }
    }

    fn run_waker(self, state: &mut State, step: &Step) {
        match *step {
            Step::Put(job) => {
                state.entries |= 1 << job;
                state.wakers[job] = Waker::Put;
            }
            Step::Commit(job) => {
                state.claimable |= 1 << job;
                state.wakers[job] = match state.wakers[job] {
                    Waker::Committed(Some(listed)) => self.waker_after(job, listed, 0, 0),
                    _ => Waker::Committed(None),
                };
            }
            Step::List(job) => {
                state.wakers[job] = match state.wakers[job] {
                    Waker::Put => Waker::Committed(Some(state.armed)),
                    _ => self.waker_after(job, state.armed, 0, 0),
                };
            }
            Step::Disarm(job, listener) => {
                let Waker::Waking {
                    candidates,
                    mut disarmed,
                    posted,
                } = state.wakers[job]
                else {
                    return;
                };
                if has(state.armed, listener) || !self.disarms_armed_only {
                    state.armed &= !(1 << listener);
                    state.disarms[listener] += 1;
                    disarmed |= 1 << listener;
                }
                let candidates = candidates & !(1 << listener);
                state.wakers[job] = self.waker_after(job, candidates, disarmed, posted);
            }
            Step::Post(job, listener) | Step::Lose(job, listener) => {
                let Waker::Waking {
                    candidates,
                    disarmed,
                    mut posted,
                } = state.wakers[job]
                else {
                    return;
                };
                // API Gateway accepts a post that is lost, and reports a worker that is gone.
                if state.workers[listener] != Worker::Dead {
                    posted += 1;
                    if matches!(step, Step::Post(..)) {
                        state.notified |= 1 << listener;
                        state.posts[job] += 1;
                    }
                }
                let disarmed = disarmed & !(1 << listener);
                state.wakers[job] = self.waker_after(job, candidates, disarmed, posted);
            }
            Step::Crash(job) => state.wakers[job] = Waker::Done,
            _ => {}
        }
    }

    fn run_worker(self, state: &mut State, step: &Step) {
        match *step {
            Step::Read(worker) => {
                let Worker::Reading { has_armed } = state.workers[worker] else {
                    return;
                };
                state.workers[worker] = Self::worker_after(has_armed, state.entries);
            }
            Step::Try(worker) => {
                let Worker::Trying { has_armed, jobs } = state.workers[worker] else {
                    return;
                };
                let Some(job) = members(jobs).next() else {
                    return;
                };
                state.workers[worker] = if has(state.claimable, job) {
                    state.claimable &= !(1 << job);
                    state.entries &= !(1 << job);
                    match (self.claim_disarms, self.passes_on) {
                        (true, _) => Worker::Claimed,
                        (false, true) => Worker::Passing,
                        (false, false) => Worker::Busy,
                    }
                } else {
                    Self::worker_after(has_armed, jobs & !(1 << job))
                };
            }
            Step::Arm(worker) => {
                state.armed |= 1 << worker;
                state.disarms[worker] = 0;
                state.workers[worker] = if self.reads_again {
                    Worker::Reading { has_armed: true }
                } else {
                    Worker::Asleep
                };
            }
            Step::Reset(worker) => {
                state.workers[worker] = if self.passes_on {
                    Worker::Passing
                } else {
                    Worker::Busy
                };
                state.armed &= !(1 << worker);
            }
            Step::PassOn(worker) => {
                state.workers[worker] = Worker::Busy;
                if state.entries != 0 {
                    state.wakers[self.jobs + worker] = Waker::Committed(None);
                    state.posts[self.jobs + worker] = 0;
                }
            }
            Step::Wake(worker) | Step::Poll(worker) | Step::Finish(worker) => {
                state.notified &= !(1 << worker);
                state.workers[worker] = Worker::Reading { has_armed: false };
            }
            Step::Die(worker) => state.workers[worker] = Worker::Dead,
            _ => {}
        }
    }

    /// A worker that has read `jobs`, or has failed to claim the others that it has read.
    fn worker_after(has_armed: bool, jobs: Set) -> Worker {
        match (jobs, has_armed) {
            (0, true) => Worker::Asleep,
            (0, false) => Worker::Arming,
            (jobs, has_armed) => Worker::Trying { has_armed, jobs },
        }
    }

    /// Whether a job waits although a live worker waits for a notification, and nothing is about to change that.
    fn is_stuck(self, state: &State) -> bool {
        state.claimable != 0
            && state.workers.contains(&Worker::Asleep)
            && self.own_steps(state).is_empty()
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            wakers: [
                vec![Waker::Creating; self.jobs],
                vec![Waker::Done; self.workers],
            ]
            .concat(),
            workers: vec![Worker::Reading { has_armed: false }; self.workers],
            entries: 0,
            claimable: 0,
            armed: 0,
            notified: 0,
            disarms: vec![0; self.workers],
            posts: vec![0; self.jobs + self.workers],
            deaths: 0,
            faults: 0,
            polls: 0,
            finishes: 0,
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        steps.extend(self.own_steps(state));
        for (index, worker) in state.workers.iter().enumerate() {
            if *worker == Worker::Asleep && state.polls < self.polls {
                steps.push(Step::Poll(index));
            }
            let has_answered = state.wakers[self.jobs + index] == Waker::Done;
            if *worker == Worker::Busy && has_answered && state.finishes < self.finishes {
                steps.push(Step::Finish(index));
            }
            if *worker != Worker::Dead && state.deaths < self.deaths {
                steps.push(Step::Die(index));
            }
        }
        if state.faults == self.faults {
            return;
        }
        for (job, waker) in state.wakers.iter().enumerate() {
            if let Waker::Waking { disarmed, .. } = waker {
                steps.extend(members(*disarmed).map(|it| Step::Lose(job, it)));
            }
            if matches!(waker, Waker::Committed(_) | Waker::Waking { .. }) {
                steps.push(Step::Crash(job));
            }
        }
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        let mut state = state.clone();
        match step {
            Step::Lose(..) | Step::Crash(_) => state.faults += 1,
            Step::Die(_) => state.deaths += 1,
            Step::Poll(_) => state.polls += 1,
            Step::Finish(_) => state.finishes += 1,
            _ => {}
        }
        self.run_waker(&mut state, &step);
        self.run_worker(&mut state, &step);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(NO_JOB_WAITS, |protocol: &Self, state: &State| {
                state.faults > 0 || !protocol.is_stuck(state)
            }),
            Property::always(
                "a job notifies a limited number of workers",
                |protocol: &Self, state: &State| {
                    let mut posts = state.posts.iter().enumerate();
                    posts.all(|(waker, posts)| *posts <= protocol.limit(waker))
                },
            ),
            Property::always(ONE_JOB_DISARMS, |_, state: &State| {
                state.disarms.iter().all(|disarms| *disarms <= 1)
            }),
            Property::sometimes("every job is claimed", |protocol: &Self, state: &State| {
                state.claimable == 0 && protocol.own_steps(state).is_empty()
            }),
            Property::sometimes("a worker is notified", |_, state: &State| {
                state.notified != 0
            }),
        ]
    }
}

/// Checks every property. Returns the number of states.
fn check(protocol: Protocol) -> usize {
    let checker = protocol.checker().spawn_bfs().join();
    checker.assert_properties();
    checker.unique_state_count()
}

/// Whether a counterexample of the property exists.
fn violates(protocol: Protocol, property: &'static str) -> bool {
    let checker = protocol.checker().spawn_bfs().join();
    checker.discovery(property).is_some()
}

#[test]
fn idle_worker_is_notified_in_every_interleaving() {
    let states = check(FULL_PROTOCOL);
    assert!(states > 10_000, "{states}");
}

#[test]
fn death_of_one_worker_leaves_no_job_waiting() {
    let protocol = Protocol {
        jobs: 1,
        workers: 3,
        deaths: 1,
        ..FULL_PROTOCOL
    };
    check(protocol);
    let one_notification = Protocol {
        wake_count: 1,
        ..protocol
    };
    assert!(violates(one_notification, NO_JOB_WAITS));
}

/// The rules that hold nevertheless are those of [`Protocol::properties`]; the job itself waits for the poll.
#[test]
fn lost_notification_is_covered_by_the_poll() {
    let protocol = Protocol {
        jobs: 1,
        faults: 1,
        polls: 0,
        ..FULL_PROTOCOL
    };
    check(protocol);
    let is_reached = |protocol: Protocol, reached: fn(&Protocol, &State) -> bool| {
        let mut states = 0;
        let mut pending = protocol.init_states();
        let mut seen = std::collections::HashSet::new();
        while let Some(state) = pending.pop() {
            if !seen.insert(state.clone()) {
                continue;
            }
            states += usize::from(reached(&protocol, &state));
            let mut steps = Vec::new();
            protocol.actions(&state, &mut steps);
            pending.extend(
                steps
                    .into_iter()
                    .filter_map(|it| protocol.next_state(&state, it)),
            );
        }
        states > 0
    };
    assert!(is_reached(protocol, |it, state| it.is_stuck(state)));
    // Each of these states has a poll, which claims the job.
    let with_polls = Protocol {
        polls: 1,
        ..protocol
    };
    assert!(is_reached(with_polls, |it, state| it.is_stuck(state)));
    assert!(is_reached(with_polls, |it, state| {
        let is_over = state.claimable == 0 && it.own_steps(state).is_empty();
        is_over && state.faults > 0 && state.posts == [0; 3] && state.polls > 0
    }));
}

#[test]
fn every_rule_is_needed() {
    for (mistake, property) in [
        (
            Protocol {
                reads_again: false,
                ..FULL_PROTOCOL
            },
            NO_JOB_WAITS,
        ),
        (
            Protocol {
                lists_after_commit: false,
                ..FULL_PROTOCOL
            },
            NO_JOB_WAITS,
        ),
        (
            Protocol {
                disarms_armed_only: false,
                ..FULL_PROTOCOL
            },
            ONE_JOB_DISARMS,
        ),
    ] {
        assert!(violates(mistake, property), "{property}");
    }
}

/// A worker that is busy ignores its notification, so it must not take one from an idle worker. With one
/// notification for each job, two jobs show it.
#[test]
fn busy_worker_takes_no_notification_from_an_idle_one() {
    let one_notification = Protocol {
        wake_count: 1,
        ..FULL_PROTOCOL
    };
    check(one_notification);
    for mistake in [
        Protocol {
            claim_disarms: false,
            ..one_notification
        },
        Protocol {
            passes_on: false,
            ..one_notification
        },
    ] {
        assert!(violates(mistake, NO_JOB_WAITS));
    }
}
