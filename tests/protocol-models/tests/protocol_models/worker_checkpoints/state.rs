//! The job, its item with the checkpoint, the workers and their posts.

use super::{CLAIMS, Protocol, STAGES};

/// A state that a worker stores: the stage, and the steps of it that are done. The later one is greater.
type Steps = (u8, u8);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Status {
    #[default]
    Queued,
    Running,
    Completed,
}

/// The job's item.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Job {
    epoch: u8,
    status: Status,
    /// The stages that have finished, each with its claim. The length is the job's `seq`.
    log: Vec<(u8, u8)>,
}

impl Job {
    fn seq(&self) -> u8 {
        u8::try_from(self.log.len()).unwrap_or(u8::MAX)
    }

    fn is_held_by(&self, epoch: u8) -> bool {
        self.status == Status::Running && self.epoch == epoch
    }
}

/// The item with the checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Item {
    epoch: u8,
    after_seq: u8,
    /// None after a claim, before its first checkpoint.
    number: Option<u8>,
    steps: Option<Steps>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    /// The claim was written.
    Claimed,
    /// The claim has read the item.
    Read(Option<Item>),
    Working,
    /// A post has no answer.
    Waiting,
    Over,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Worker {
    epoch: u8,
    /// The `seq` of the last answer. The worker is at the stage after it.
    seq: u8,
    /// Steps of the stage.
    pub(super) done: u8,
    /// The number of the last checkpoint since the last durable event.
    number: u8,
    /// The latest post.
    post: Option<Event>,
    pub(super) phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Event {
    Checkpoint { number: u8, steps: Steps },
    Finish,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Call {
    Validate,
    /// Writes the item of the checkpoint.
    Store,
    /// Writes the job's item after the checkpoint.
    Record,
    /// Commits the end of the stage.
    Commit,
    Respond,
}

impl Call {
    /// Whether it writes a checkpoint, without a check of the job before.
    fn is_of_checkpoint(self) -> bool {
        matches!(self, Self::Store | Self::Record)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Post {
    epoch: u8,
    after_seq: u8,
    event: Event,
    at: Call,
}

/// What must not happen.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a property that is violated"
)]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Faults {
    pub(super) is_behind_accepted: bool,
    pub(super) is_behind_claim: bool,
    pub(super) is_of_finished_stage: bool,
    pub(super) has_gone_back: bool,
    pub(super) is_taken_over_heard: bool,
    pub(super) is_holder_refused: bool,
}

/// What has to happen in some interleaving.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Seen {
    /// A post found a later checkpoint.
    outdated: bool,
    /// A claim continued a state, after a release.
    hand_on: bool,
    /// A claim continued a state, after a lost lease.
    takeover: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct State {
    job: Job,
    item: Option<Item>,
    workers: Vec<Worker>,
    posts: Vec<Post>,
    repeats: u8,
    /// The newest state in a checkpoint that was accepted.
    accepted: Steps,
    /// The newest state that a claim got, and the latest claim that was answered.
    given: Steps,
    answered: u8,
    faults: Faults,
    seen: Seen,
    /// Whether the last worker had released the job when it was claimed.
    was_released: bool,
}

impl State {
    pub(super) fn workers(&self) -> &[Worker] {
        &self.workers
    }

    pub(super) fn posts(&self) -> &[Post] {
        &self.posts
    }

    pub(super) fn repeats(&self) -> u8 {
        self.repeats
    }

    pub(super) fn faults(&self) -> &Faults {
        &self.faults
    }

    pub(super) fn has_completed_twice(&self) -> bool {
        let stages = self.job.log.iter().map(|(_, stage)| stage);
        stages.zip(1..).any(|(stage, place)| *stage != place)
    }

    pub(super) fn has_outdated_repeat(&self) -> bool {
        self.seen.outdated
    }

    pub(super) fn has_ended_after_continuations(&self) -> bool {
        self.job.status == Status::Completed && self.seen.hand_on && self.seen.takeover
    }

    pub(super) fn is_claimable(&self) -> bool {
        self.job.status != Status::Completed && self.job.epoch < CLAIMS
    }

    pub(super) fn claim(&mut self) {
        self.was_released = self.job.status == Status::Queued && self.job.epoch > 0;
        self.job.epoch += 1;
        self.job.status = Status::Running;
        for worker in &mut self.workers {
            if matches!(worker.phase, Phase::Working | Phase::Waiting) {
                worker.phase = Phase::Over;
            }
        }
        self.posts.retain(|post| post.at.is_of_checkpoint());
        self.workers.push(Worker {
            epoch: self.job.epoch,
            seq: self.job.seq(),
            done: 0,
            number: 0,
            post: None,
            phase: Phase::Claimed,
        });
    }

    pub(super) fn read_item(&mut self, worker: usize) {
        self.workers[worker].phase = Phase::Read(self.item);
    }

    pub(super) fn answer(&mut self, index: usize, model: &Protocol) {
        let worker = &mut self.workers[index];
        let Phase::Read(read) = worker.phase else {
            return;
        };
        worker.phase = Phase::Working;
        let (epoch, stage) = (worker.epoch, worker.seq + 1);
        let steps = read.and_then(|item| item.steps);
        let steps = steps.filter(|(of, _)| *of == stage || !model.hides_finished);
        if model.fences_claims && self.item.is_none_or(|item| item.epoch < epoch) {
            self.item = Some(Item {
                epoch,
                after_seq: worker.seq,
                number: None,
                steps,
            });
        }
        worker.done = steps.map_or(0, |(_, done)| done);
        if self.job.epoch != epoch {
            // A later claim has the job, and nothing of this one is accepted.
            worker.phase = Phase::Over;
            return;
        }
        self.faults.is_of_finished_stage |= steps.is_some_and(|(of, _)| of != stage);
        let given = (stage, worker.done);
        self.faults.is_behind_accepted |= given < self.accepted;
        self.faults.is_behind_claim |= given < self.given;
        self.given = self.given.max(given);
        self.answered = epoch;
        if worker.done > 0 && self.was_released {
            self.seen.hand_on = true;
        } else if worker.done > 0 {
            self.seen.takeover = true;
        }
    }

    pub(super) fn post_checkpoint(&mut self, index: usize) {
        let worker = &mut self.workers[index];
        worker.done += 1;
        worker.number += 1;
        let event = Event::Checkpoint {
            number: worker.number,
            steps: (worker.seq + 1, worker.done),
        };
        self.post(index, event);
    }

    pub(super) fn post_finish(&mut self, worker: usize) {
        self.post(worker, Event::Finish);
    }

    pub(super) fn repeat(&mut self, worker: usize) {
        self.repeats += 1;
        if let Some(event) = self.workers[worker].post {
            self.post(worker, event);
        }
    }

    fn post(&mut self, worker: usize, event: Event) {
        let worker = &mut self.workers[worker];
        worker.post = Some(event);
        worker.phase = Phase::Waiting;
        self.posts.push(Post {
            epoch: worker.epoch,
            after_seq: worker.seq,
            event,
            at: Call::Validate,
        });
    }

    pub(super) fn release(&mut self, index: usize) {
        let worker = &mut self.workers[index];
        worker.phase = Phase::Over;
        if self.job.is_held_by(worker.epoch) {
            self.job.status = Status::Queued;
        }
    }

    /// Makes the next call of a post. Removes a post that is refused or answered.
    pub(super) fn serve(&mut self, index: usize, model: &Protocol) {
        let post = self.posts[index].clone();
        let next = match post.at {
            Call::Validate => self.validate(&post, model),
            Call::Store => self.store(&post, model),
            Call::Record => self.record(&post, model),
            Call::Commit => self.commit(&post, model),
            Call::Respond => {
                self.posts.remove(index);
                self.respond(&post);
                return;
            }
        };
        if let Some(next) = next {
            self.posts[index].at = next;
        } else {
            self.posts.remove(index);
            let is_awaited = self.waiting_worker(&post).is_some();
            self.faults.is_holder_refused |= is_awaited && self.job.epoch == post.epoch;
        }
    }

    fn validate(&self, post: &Post, model: &Protocol) -> Option<Call> {
        let seq = self.job.seq();
        let is_open = self.job.status == Status::Running;
        if post.epoch != self.job.epoch || post.after_seq > seq {
            return None;
        }
        match post.event {
            // It belongs to an event that the job already has.
            Event::Checkpoint { .. } if post.after_seq < seq => is_open.then_some(Call::Respond),
            Event::Checkpoint { .. } => is_open.then_some(Call::Store),
            Event::Finish if post.after_seq < seq && model.recognizes_repeats => {
                let (writer, _) = self.job.log[usize::from(post.after_seq)];
                (writer == post.epoch).then_some(Call::Respond)
            }
            Event::Finish => is_open.then_some(Call::Commit),
        }
    }

    fn store(&mut self, post: &Post, model: &Protocol) -> Option<Call> {
        let Event::Checkpoint { number, steps } = post.event else {
            return None;
        };
        if let Some(item) = self.item {
            let (is_later, is_same) = if model.compares_epochs {
                (item.epoch > post.epoch, item.epoch == post.epoch)
            } else {
                (false, true)
            };
            if is_later {
                return None;
            }
            let is_before = model.compares_seqs && post.after_seq < item.after_seq;
            let is_after = model.compares_seqs && post.after_seq > item.after_seq;
            let has_higher = item.number.is_some_and(|there| there > number);
            let is_outdated = is_before || (!is_after && model.compares_numbers && has_higher);
            if is_same && is_outdated {
                self.seen.outdated = true;
                return Some(Call::Record);
            }
            self.faults.has_gone_back |= item.steps.is_some_and(|there| there > steps);
        }
        self.faults.is_taken_over_heard |= post.epoch < self.answered;
        self.item = Some(Item {
            epoch: post.epoch,
            after_seq: post.after_seq,
            number: Some(number),
            steps: Some(steps),
        });
        Some(Call::Record)
    }

    fn record(&mut self, post: &Post, model: &Protocol) -> Option<Call> {
        if !self.job.is_held_by(post.epoch) && model.records_under_lease {
            return None;
        }
        self.faults.is_taken_over_heard |= post.epoch < self.job.epoch;
        if let Event::Checkpoint { steps, .. } = post.event {
            self.accepted = self.accepted.max(steps);
        }
        Some(Call::Respond)
    }

    fn commit(&mut self, post: &Post, model: &Protocol) -> Option<Call> {
        if self.job.epoch != post.epoch {
            return None;
        }
        let seq = self.job.seq();
        if post.after_seq < seq && model.recognizes_repeats {
            return Some(Call::Respond);
        }
        if self.job.status != Status::Running {
            return None;
        }
        self.job.log.push((post.epoch, post.after_seq + 1));
        if self.job.seq() == STAGES {
            self.job.status = Status::Completed;
        }
        Some(Call::Respond)
    }

    fn respond(&mut self, post: &Post) {
        let Some(worker) = self.waiting_worker(post) else {
            return;
        };
        worker.phase = Phase::Working;
        if post.event == Event::Finish {
            worker.seq += 1;
            (worker.done, worker.number) = (0, 0);
            if worker.seq == STAGES {
                worker.phase = Phase::Over;
            }
        }
    }

    /// The worker that waits for the answer to a post.
    fn waiting_worker(&mut self, post: &Post) -> Option<&mut Worker> {
        self.workers.iter_mut().find(|worker| {
            worker.phase == Phase::Waiting
                && (worker.epoch, worker.seq) == (post.epoch, post.after_seq)
                && worker.post == Some(post.event)
        })
    }
}
