//! The feed of an owner: jobs are created and publish while a client watches all of them, loses its connection and
//! resumes. Each step is one atomic call to DynamoDB, one post, or one request of the client.
//!
//! | step here | in the code |
//! | --- | --- |
//! | `Announce`, `Store` | `create_job::prepare` queues the task `created`; `JobStore::create` |
//! | `Commit` | `JobStore::finish_stage` or `end` |
//! | `FanOut` | `OwnerFeed::read` and the posts after a commit; also the delivery task that replaces them after a crash |
//! | `Notify` | the delivery function executes the task `created` |
//! | `Repeat` | a queue delivers a task twice, or a redelivery sends messages again |
//! | `Receive`, `Lose` | a post arrives, or is given up; posts arrive in any order |
//! | `Subscribe` | `SubscriptionStore::subscribe_to_feed` |
//! | `List` | `GET /v1/jobs`, for each job: the pages are read one after another |
//! | `Read` | `GET /v1/jobs/{job_id}/events?after_seq=` |
//! | `Drop` | the client loses its connection |
//!
//! `List` also stands for the request that reads a job which is known to run and is not in the pages that the client reads
//! again. That it reads only the pages of jobs created since a minute before its last list is not part of the model: the
//! client lists every job that it does not know.

use stateright::{Checker as _, Model, Property};

/// The number of jobs. The first one exists when the client starts.
const JOBS: usize = 2;
/// The number of durable messages of each job. The last one ends it.
const MESSAGES: u8 = 2;
/// Maximum number of lost connections.
const DROPS: u8 = 1;
/// Maximum number of repeated tasks and lost posts together.
const INCIDENTS: u8 = 1;

/// A rule that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    /// The client lists the jobs, then subscribes.
    ListsBeforeItSubscribes,
    /// The publisher sends a message to the subscribers that it has read after the message before.
    CachesSubscribers,
    /// The task for a new job is queued after the job is stored, and the request crashes in between.
    AnnouncesAfterStore,
    /// The task for a new job is given up if the job is not stored yet.
    GivesUpUnstoredJob,
    /// The client takes the `seq` of a snapshot for its own and reads no log.
    SkipsToSnapshot,
    /// The client does not read jobs again that were running when it lost its connection.
    ForgetsRunningJobs,
    /// The client applies each durable message that it receives.
    IgnoresSeq,
}

const MISTAKES: [Mistake; 7] = [
    Mistake::ListsBeforeItSubscribes,
    Mistake::CachesSubscribers,
    Mistake::AnnouncesAfterStore,
    Mistake::GivesUpUnstoredJob,
    Mistake::SkipsToSnapshot,
    Mistake::ForgetsRunningJobs,
    Mistake::IgnoresSeq,
];

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Announce(usize),
    Store(usize),
    Commit(usize),
    Execute(usize),
    Repeat(usize),
    Receive(usize),
    Lose(usize),
    Subscribe,
    List,
    Read(usize),
    Drop,
}

#[derive(Clone, Copy, Debug, Default, Hash, PartialEq, Eq)]
enum Job {
    #[default]
    Requested,
    /// Its task is queued.
    Announced,
    /// It exists, with this `seq`.
    Stored(u8),
}

/// Something that will be sent to the subscribers of the feed.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    /// The message of a new job.
    Notify { job: usize },
    /// A durable message, to the subscribers at that time, or to those that were read before.
    FanOut {
        job: usize,
        seq: u8,
        read: Option<Subscriber>,
    },
}

/// The number of the connection in the list of subscribers, if there is one.
type Subscriber = Option<u8>;

/// A post to the connection of the client.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
enum Post {
    Snapshot { job: usize, seq: u8 },
    Durable { job: usize, seq: u8 },
}

/// What the client knows of a job.
#[derive(Clone, Debug, Default, Hash, PartialEq, Eq)]
struct Known {
    is_listed: bool,
    /// The durable messages that were applied, in order.
    applied: Vec<u8>,
    /// Those that wait for their predecessors.
    early: Vec<u8>,
    /// The highest `seq` that was mentioned.
    highest: u8,
}

impl Known {
    fn seq(&self) -> u8 {
        self.applied.last().copied().unwrap_or(0)
    }

    fn has_ended(&self) -> bool {
        self.seq() == MESSAGES
    }

    fn has_gap(&self) -> bool {
        self.highest > self.seq()
    }

    fn mention(&mut self, seq: u8) {
        self.is_listed = true;
        self.highest = self.highest.max(seq);
    }

    fn accept(&mut self, seq: u8) {
        self.mention(seq);
        if seq > self.seq() && !self.early.contains(&seq) {
            self.early.push(seq);
            self.early.sort_unstable();
        }
        while self.early.first() == Some(&(self.seq() + 1)) {
            let next = self.early.remove(0);
            self.applied.push(next);
        }
        let seq = self.seq();
        self.early.retain(|early| *early > seq);
    }
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
enum Phase {
    Unsubscribed,
    /// Has still to list the jobs from this one to the first.
    Listing(usize),
    Live,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct State {
    jobs: [Job; JOBS],
    tasks: Vec<Task>,
    subscriber: Subscriber,
    /// The subscribers that each publisher has read, if it caches them.
    cached: [Subscriber; JOBS],
    connection: u8,
    /// The posts to the current connection that are under way.
    wire: Vec<Post>,
    phase: Phase,
    known: [Known; JOBS],
    drops: u8,
    incidents: u8,
    /// Whether a post was lost since the client subscribed. Each connection ends, so it subscribes again.
    is_incomplete: bool,
}

impl State {
    /// Whether nothing is under way. Jobs may go on later.
    fn is_quiet(&self) -> bool {
        self.tasks.is_empty()
            && self.wire.is_empty()
            && self.phase == Phase::Live
            && !self.known.iter().any(Known::has_gap)
            && !self.is_incomplete
    }

    /// Whether the client has the state of every job, if nothing is under way.
    fn is_complete(&self) -> bool {
        let mut jobs = self.jobs.iter().zip(&self.known);
        !self.is_quiet()
            || jobs.all(|(job, known)| match job {
                Job::Stored(seq) => known.is_listed && known.seq() == *seq,
                Job::Requested | Job::Announced => true,
            })
    }

    /// Whether each durable message was applied once and in order.
    fn is_in_order(&self) -> bool {
        let mut known = self.known.iter();
        known.all(|it| it.applied.iter().copied().eq(1..=it.seq()))
    }

    fn post(&mut self, to: Subscriber, post: Post) {
        if to == Some(self.connection) {
            self.wire.push(post);
        }
    }

    fn execute(&mut self, task: Task, mistake: Option<Mistake>) -> bool {
        match task {
            Task::Notify { job } => match self.jobs[job] {
                Job::Stored(seq) => self.post(self.subscriber, Post::Snapshot { job, seq }),
                _ => return mistake == Some(Mistake::GivesUpUnstoredJob),
            },
            Task::FanOut { job, seq, read } => {
                self.post(read.unwrap_or(self.subscriber), Post::Durable { job, seq });
            }
        }
        true
    }

    fn apply_snapshot(&mut self, job: usize, seq: u8, mistake: Option<Mistake>) {
        let known = &mut self.known[job];
        known.mention(seq);
        if mistake == Some(Mistake::SkipsToSnapshot) && seq > known.seq() {
            known.applied.push(seq);
        }
    }

    fn receive(&mut self, post: Post, mistake: Option<Mistake>) {
        match post {
            Post::Snapshot { job, seq } => self.apply_snapshot(job, seq, mistake),
            Post::Durable { job, seq } if mistake == Some(Mistake::IgnoresSeq) => {
                self.known[job].mention(seq);
                self.known[job].applied.push(seq);
            }
            Post::Durable { job, seq } => self.known[job].accept(seq),
        }
    }

    fn list(&mut self, index: usize, mistake: Option<Mistake>) {
        let is_forgotten =
            mistake == Some(Mistake::ForgetsRunningJobs) && self.known[index].is_listed;
        // A job that is known to have ended does not change.
        if self.known[index].has_ended() || is_forgotten {
            return;
        }
        if let Job::Stored(seq) = self.jobs[index] {
            self.apply_snapshot(index, seq, mistake);
        }
    }

    fn read(&mut self, job: usize) {
        if let Job::Stored(seq) = self.jobs[job] {
            for seq in self.known[job].seq() + 1..=seq {
                self.known[job].accept(seq);
            }
        }
    }
}

struct Feed(Option<Mistake>);

impl Feed {
    fn lists_first(&self) -> bool {
        self.0 == Some(Mistake::ListsBeforeItSubscribes)
    }
}

impl Model for Feed {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let mut jobs = [Job::default(); JOBS];
        jobs[0] = Job::Stored(0);
        vec![State {
            jobs,
            tasks: Vec::new(),
            subscriber: None,
            cached: [None; JOBS],
            connection: 0,
            wire: Vec::new(),
            phase: self.first_phase(),
            known: std::array::from_fn(|_| Known::default()),
            drops: 0,
            incidents: 0,
            is_incomplete: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Step>) {
        for (index, job) in state.jobs.iter().enumerate() {
            match job {
                Job::Requested => actions.push(Step::Announce(index)),
                Job::Announced => actions.push(Step::Store(index)),
                Job::Stored(seq) if *seq < MESSAGES => actions.push(Step::Commit(index)),
                Job::Stored(_) => {}
            }
        }
        for index in 0..state.tasks.len() {
            actions.push(Step::Execute(index));
            if state.incidents < INCIDENTS {
                actions.push(Step::Repeat(index));
            }
        }
        for index in 0..state.wire.len() {
            actions.push(Step::Receive(index));
            if state.incidents < INCIDENTS {
                actions.push(Step::Lose(index));
            }
        }
        match state.phase {
            Phase::Unsubscribed => actions.push(Step::Subscribe),
            Phase::Listing(_) => actions.push(Step::List),
            Phase::Live => {}
        }
        for (index, known) in state.known.iter().enumerate() {
            if known.has_gap() {
                actions.push(Step::Read(index));
            }
        }
        if state.drops < DROPS || state.is_incomplete {
            actions.push(Step::Drop);
        }
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        let mut state = state.clone();
        match step {
            Step::Announce(job) => {
                state.jobs[job] = Job::Announced;
                if self.0 != Some(Mistake::AnnouncesAfterStore) {
                    state.tasks.push(Task::Notify { job });
                }
            }
            Step::Store(job) => state.jobs[job] = Job::Stored(0),
            Step::Commit(job) => {
                let Job::Stored(seq) = state.jobs[job] else {
                    return None;
                };
                let seq = seq + 1;
                let mut read = None;
                if self.0 == Some(Mistake::CachesSubscribers) {
                    read = Some(state.cached[job]);
                    state.cached[job] = state.subscriber;
                }
                state.jobs[job] = Job::Stored(seq);
                state.tasks.push(Task::FanOut { job, seq, read });
            }
            Step::Execute(index) => {
                let task = state.tasks[index];
                if state.execute(task, self.0) {
                    state.tasks.remove(index);
                }
            }
            Step::Repeat(index) => {
                state.incidents += 1;
                let task = state.tasks[index];
                state.execute(task, self.0);
            }
            Step::Receive(index) => {
                let post = state.wire.remove(index);
                state.receive(post, self.0);
            }
            Step::Lose(index) => {
                state.incidents += 1;
                state.wire.remove(index);
                state.is_incomplete = true;
            }
            Step::Subscribe => {
                state.subscriber = Some(state.connection);
                state.is_incomplete = false;
                state.phase = if self.lists_first() {
                    Phase::Live
                } else {
                    Phase::Listing(JOBS - 1)
                };
            }
            Step::List => {
                let Phase::Listing(index) = state.phase else {
                    return None;
                };
                state.list(index, self.0);
                state.phase = match index.checked_sub(1) {
                    Some(next) => Phase::Listing(next),
                    None if self.lists_first() => Phase::Unsubscribed,
                    None => Phase::Live,
                };
            }
            Step::Read(job) => state.read(job),
            Step::Drop => {
                state.drops += 1;
                state.connection += 1;
                state.subscriber = None;
                state.wire.clear();
                state.phase = self.first_phase();
            }
        }
        state.tasks.sort_unstable();
        state.wire.sort_unstable();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        if self.0.is_some() {
            let holds = |_: &Self, state: &State| state.is_complete() && state.is_in_order();
            return vec![Property::always("it holds", holds)];
        }
        vec![
            Property::always(
                "the client has the state of every job when nothing is under way",
                |_, state: &State| state.is_complete(),
            ),
            Property::always(
                "each durable message is applied once and in order",
                |_, state: &State| state.is_in_order(),
            ),
            Property::sometimes(
                "a client that reconnected has everything",
                |_, state: &State| state.is_quiet() && state.drops > 0,
            ),
            Property::sometimes("an incident is repaired", |_, state: &State| {
                state.is_quiet() && state.incidents > 0
            }),
            Property::sometimes(
                "a message arrives before its job is known",
                |_, state: &State| {
                    !state.known[1].is_listed
                        && state.wire.contains(&Post::Durable { job: 1, seq: 2 })
                },
            ),
        ]
    }

    fn within_boundary(&self, state: &State) -> bool {
        // After a lost post the connection ends once more.
        state.drops <= DROPS + 1
    }
}

impl Feed {
    fn first_phase(&self) -> Phase {
        if self.lists_first() {
            Phase::Listing(JOBS - 1)
        } else {
            Phase::Unsubscribed
        }
    }
}

#[test]
fn client_of_the_feed_has_every_job_in_every_interleaving() {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let checker = Feed(None).checker().threads(threads).spawn_bfs().join();
    checker.assert_properties();
    let states = checker.unique_state_count();
    assert!(states > 10_000, "{states}");
}

#[test]
fn every_rule_of_the_feed_is_needed() {
    for mistake in MISTAKES {
        let checker = Feed(Some(mistake)).checker().spawn_bfs().join();
        let is_found = checker.discovery("it holds").is_some();
        assert!(is_found, "{mistake:?}");
    }
}
