//! Posts of external workers with lost responses, overlapping repeats and takeovers. Each step is one atomic
//! call to DynamoDB, or the arrival of a response.
//!
//! | step here | in the code |
//! | --- | --- |
//! | `Claim` | `JobStore::claim_for`, then `Publisher::recover`, modelled as a post |
//! | `Post`, `Repeat` | a worker sends a post, or repeats it while it waits for the response |
//! | `Step` | the next call of a post: `Handler::sort`, `EventStore::append`, `JobStore::finish_stage` |
//! | `Respond` | the response of a post arrives; one that never arrives is lost |

use stateright::{Checker as _, Model, Property};

/// The number of durable events.
const EVENTS: u8 = 3;
/// Maximum number of repeats.
const REPEATS: u8 = 2;

#[derive(Clone, Debug, Default, Hash, PartialEq, Eq)]
struct State {
    seq: u8,
    epoch: u8,
    /// Each event's epoch and content.
    log: Vec<(u8, u8)>,
    /// The content of each event when it was committed.
    committed: Vec<u8>,
    workers: Vec<Worker>,
    posts: Vec<Post>,
    repeats: u8,
    /// Whether a valid post of the worker that holds the job was rejected.
    wrongly_rejected: bool,
    /// Whether the job's `seq` has decreased.
    went_back: bool,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct Worker {
    epoch: u8,
    /// The `seq` of the last response.
    seq: u8,
    /// The `seq` of the post without a response.
    awaited_seq: Option<u8>,
    /// Whether that post is the claim's, which adopts an uncommitted event.
    adopts_event: bool,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct Post {
    epoch: u8,
    /// The `seq` of its event.
    seq: u8,
    content: u8,
    at: Call,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
enum Call {
    Sort,
    Append,
    Commit,
    Respond,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    Claim,
    Post(usize),
    Repeat(usize),
    Step(usize),
    Respond(usize),
}

/// The protocol, or a variant whose commits are not conditional on the previous `seq`.
struct Protocol {
    checks_seq: bool,
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.went_back {
            // The property is violated, and later calls would be out of range.
            return;
        }
        if state.workers.len() < 2 {
            actions.push(Action::Claim);
        }
        for (index, worker) in state.workers.iter().enumerate() {
            if worker.awaited_seq.is_none() && worker.seq < EVENTS {
                actions.push(Action::Post(index));
            }
            if worker.awaited_seq.is_some() && !worker.adopts_event && state.repeats < REPEATS {
                actions.push(Action::Repeat(index));
            }
        }
        for (index, post) in state.posts.iter().enumerate() {
            actions.push(match post.at {
                Call::Respond => Action::Respond(index),
                _ => Action::Step(index),
            });
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut state = state.clone();
        match action {
            Action::Claim => state.claim(),
            Action::Post(index) => {
                let seq = state.workers[index].seq + 1;
                state.workers[index].awaited_seq = Some(seq);
                let content = content(state.workers[index].epoch, seq);
                state.send(index, content, Call::Sort);
            }
            Action::Repeat(index) => {
                state.repeats += 1;
                let worker = &state.workers[index];
                let content = content(worker.epoch, worker.awaited_seq?);
                state.send(index, content, Call::Sort);
            }
            Action::Step(index) => self.step(&mut state, index),
            Action::Respond(index) => {
                let post = state.posts.remove(index);
                let waiting_worker = state.waiting_worker(&post)?;
                waiting_worker.seq = post.seq;
                waiting_worker.awaited_seq = None;
                waiting_worker.adopts_event = false;
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("what is committed never changes", |_, state: &State| {
                let log = state.log.iter().map(|(_, content)| content);
                state.committed.iter().eq(log.take(state.committed.len()))
            }),
            Property::always("no event takes effect twice", |_, state: &State| {
                let mut committed = state.committed.clone();
                committed.sort_unstable();
                committed.windows(2).all(|pair| pair[0] != pair[1])
            }),
            Property::always("the job never goes back", |_, state: &State| {
                !state.went_back && state.committed.len() == usize::from(state.seq)
            }),
            Property::always("an acknowledged event is committed", |_, state: &State| {
                state.workers.iter().all(|worker| worker.seq <= state.seq)
            }),
            Property::always(
                "a valid post of the holder is never rejected",
                |_, state: &State| !state.wrongly_rejected,
            ),
            Property::sometimes("a job ends despite all repeats", |_, state: &State| {
                state.seq == EVENTS && state.repeats == REPEATS
            }),
            Property::sometimes("a worker continues after another", |_, state: &State| {
                state.log.len() == 3 && state.log[0].0 == 1 && state.log[2].0 == 2
            }),
        ]
    }
}

impl Protocol {
    /// Makes the next call of a post. Removes a rejected post.
    fn step(&self, state: &mut State, index: usize) {
        let post = state.posts[index].clone();
        let place = usize::from(post.seq - 1);
        let next = match post.at {
            Call::Sort if post.epoch != state.epoch || post.seq > state.seq + 1 => None,
            Call::Sort if post.seq <= state.seq => {
                (state.committed[place] == post.content).then_some(Call::Respond)
            }
            Call::Sort => Some(Call::Append),
            Call::Append => match state.log.get(place).copied() {
                Some((writer, _)) if writer > post.epoch => None,
                Some((writer, content)) if writer == post.epoch => {
                    (content == post.content).then_some(Call::Commit)
                }
                Some(_) => {
                    state.log[place] = (post.epoch, post.content);
                    Some(Call::Commit)
                }
                None => {
                    state.log.push((post.epoch, post.content));
                    Some(Call::Commit)
                }
            },
            Call::Commit if post.epoch != state.epoch => None,
            Call::Commit if state.seq + 1 == post.seq || !self.checks_seq => {
                state.went_back |= post.seq < state.seq;
                state.seq = post.seq;
                state.committed.truncate(place);
                state.committed.push(state.log[place].1);
                Some(Call::Respond)
            }
            Call::Commit => (state.seq == post.seq).then_some(Call::Respond),
            Call::Respond => Some(Call::Respond),
        };
        if let Some(next) = next {
            state.posts[index].at = next;
        } else {
            state.posts.remove(index);
            let epoch = state.epoch;
            state.wrongly_rejected |= post.epoch == epoch && state.waiting_worker(&post).is_some();
        }
    }
}

impl State {
    fn claim(&mut self) {
        self.epoch += 1;
        let uncommitted = self
            .log
            .get(usize::from(self.seq))
            .map(|(_, content)| *content);
        self.workers.push(Worker {
            epoch: self.epoch,
            seq: self.seq,
            awaited_seq: uncommitted.map(|_| self.seq + 1),
            adopts_event: uncommitted.is_some(),
        });
        // Adopts an uncommitted event of the previous worker.
        if let Some(content) = uncommitted {
            self.send(self.workers.len() - 1, content, Call::Append);
        }
    }

    fn send(&mut self, worker: usize, content: u8, at: Call) {
        let worker = &self.workers[worker];
        self.posts.push(Post {
            epoch: worker.epoch,
            seq: worker.awaited_seq.unwrap_or_default(),
            content,
            at,
        });
    }

    /// The worker that waits for the response of a post.
    fn waiting_worker(&mut self, post: &Post) -> Option<&mut Worker> {
        let workers = self.workers.iter_mut();
        workers
            .filter(|worker| worker.epoch == post.epoch)
            .find(|worker| worker.awaited_seq == Some(post.seq))
    }
}

/// The content of an event, unique for each epoch and `seq`.
fn content(epoch: u8, seq: u8) -> u8 {
    10 * epoch + seq
}

#[test]
fn invariants_of_posts_hold_in_every_interleaving() {
    let checker = Protocol { checks_seq: true }.checker().spawn_bfs().join();
    checker.assert_properties();
    assert!(checker.unique_state_count() > 1_000);
}

#[test]
fn commit_without_a_seq_condition_lets_a_job_go_back() {
    let without = Protocol { checks_seq: false };
    let checker = without.checker().spawn_bfs().join();
    assert!(checker.discovery("the job never goes back").is_some());
}
