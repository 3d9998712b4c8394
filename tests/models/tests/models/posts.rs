//! Posts of workers as a model: answers are lost, repeats overlap with what they repeat, another worker
//! takes over. Each step is one call that is atomic in DynamoDB, or an answer that arrives.
//!
//! | step here | in the code |
//! | --- | --- |
//! | `Claim` | `JobStore::claim_for`, then `Publisher::recover` as a post of its own |
//! | `Post`, `Repeat` | a worker sends a post, or sends it again while it waits for the answer |
//! | `Step` | the next call of a post: `Handler::sort`, `EventStore::append`, `JobStore::finish_stage` |
//! | `Answer` | the answer of a post arrives; one that never does is lost |

use stateright::{Checker as _, Model, Property};

/// Durable events of the job.
const EVENTS: u8 = 3;
/// Times that posts are sent again.
const REPEATS: u8 = 2;

#[derive(Clone, Debug, Default, Hash, PartialEq, Eq)]
struct State {
    seq: u8,
    epoch: u8,
    /// The claim that wrote each event, and what the event says.
    log: Vec<(u8, u8)>,
    /// What each event said when it was committed.
    committed: Vec<u8>,
    workers: Vec<Worker>,
    posts: Vec<Post>,
    repeats: u8,
    /// A worker that holds the job was refused what it waits for.
    wronged: bool,
    /// The job's `seq` went back.
    reversed: bool,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct Worker {
    epoch: u8,
    /// The `seq` of the last answer.
    seq: u8,
    /// What it waits for an answer to.
    waits_for: Option<u8>,
    /// That is the claim's, which adopts what a worker before has left.
    adopts: bool,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct Post {
    epoch: u8,
    /// The `seq` that its event is to have.
    seq: u8,
    says: u8,
    at: Call,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
enum Call {
    Sort,
    Append,
    Commit,
    Answer,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    Claim,
    Post(usize),
    Repeat(usize),
    Step(usize),
    Answer(usize),
}

/// The protocol, or one whose commits do not ask for the `seq` before their own.
struct Protocol {
    asks_for_seq: bool,
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.reversed {
            // The worst has happened, and the calls are not made for what is left.
            return;
        }
        if state.workers.len() < 2 {
            actions.push(Action::Claim);
        }
        for (index, worker) in state.workers.iter().enumerate() {
            if worker.waits_for.is_none() && worker.seq < EVENTS {
                actions.push(Action::Post(index));
            }
            if worker.waits_for.is_some() && !worker.adopts && state.repeats < REPEATS {
                actions.push(Action::Repeat(index));
            }
        }
        for (index, post) in state.posts.iter().enumerate() {
            actions.push(match post.at {
                Call::Answer => Action::Answer(index),
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
                state.workers[index].waits_for = Some(seq);
                let says = says(state.workers[index].epoch, seq);
                state.send(index, says, Call::Sort);
            }
            Action::Repeat(index) => {
                state.repeats += 1;
                let worker = &state.workers[index];
                let says = says(worker.epoch, worker.waits_for?);
                state.send(index, says, Call::Sort);
            }
            Action::Step(index) => self.step(&mut state, index),
            Action::Answer(index) => {
                let post = state.posts.remove(index);
                let waiting = state.waiting(&post)?;
                waiting.seq = post.seq;
                waiting.waits_for = None;
                waiting.adopts = false;
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("what is committed never changes", |_, state: &State| {
                let log = state.log.iter().map(|(_, says)| says);
                state.committed.iter().eq(log.take(state.committed.len()))
            }),
            Property::always("nothing happens twice", |_, state: &State| {
                let mut said = state.committed.clone();
                said.sort_unstable();
                said.windows(2).all(|pair| pair[0] != pair[1])
            }),
            Property::always("the job never goes back", |_, state: &State| {
                !state.reversed && state.committed.len() == usize::from(state.seq)
            }),
            Property::always("what was answered has happened", |_, state: &State| {
                state.workers.iter().all(|worker| worker.seq <= state.seq)
            }),
            Property::always(
                "who has the job is never refused what it waits for",
                |_, state: &State| !state.wronged,
            ),
            Property::sometimes("a job ends in spite of it all", |_, state: &State| {
                state.seq == EVENTS && state.repeats == REPEATS
            }),
            Property::sometimes("a worker goes on after another", |_, state: &State| {
                state.log.len() == 3 && state.log[0].0 == 1 && state.log[2].0 == 2
            }),
        ]
    }
}

impl Protocol {
    /// The next call of a post. A post that is refused is over.
    fn step(&self, state: &mut State, index: usize) {
        let post = state.posts[index].clone();
        let place = usize::from(post.seq - 1);
        let next = match post.at {
            Call::Sort if post.epoch != state.epoch || post.seq > state.seq + 1 => None,
            Call::Sort if post.seq <= state.seq => {
                (state.committed[place] == post.says).then_some(Call::Answer)
            }
            Call::Sort => Some(Call::Append),
            Call::Append => match state.log.get(place).copied() {
                Some((writer, _)) if writer > post.epoch => None,
                Some((writer, says)) if writer == post.epoch => {
                    (says == post.says).then_some(Call::Commit)
                }
                Some(_) => {
                    state.log[place] = (post.epoch, post.says);
                    Some(Call::Commit)
                }
                None => {
                    state.log.push((post.epoch, post.says));
                    Some(Call::Commit)
                }
            },
            Call::Commit if post.epoch != state.epoch => None,
            Call::Commit if state.seq + 1 == post.seq || !self.asks_for_seq => {
                state.reversed |= post.seq < state.seq;
                state.seq = post.seq;
                state.committed.truncate(place);
                state.committed.push(state.log[place].1);
                Some(Call::Answer)
            }
            Call::Commit => (state.seq == post.seq).then_some(Call::Answer),
            Call::Answer => Some(Call::Answer),
        };
        if let Some(next) = next {
            state.posts[index].at = next;
        } else {
            state.posts.remove(index);
            let epoch = state.epoch;
            state.wronged |= post.epoch == epoch && state.waiting(&post).is_some();
        }
    }
}

impl State {
    fn claim(&mut self) {
        self.epoch += 1;
        let left = self.log.get(usize::from(self.seq)).map(|(_, says)| *says);
        self.workers.push(Worker {
            epoch: self.epoch,
            seq: self.seq,
            waits_for: left.map(|_| self.seq + 1),
            adopts: left.is_some(),
        });
        // What a worker before has written but not committed is adopted.
        if let Some(says) = left {
            self.send(self.workers.len() - 1, says, Call::Append);
        }
    }

    fn send(&mut self, worker: usize, says: u8, at: Call) {
        let worker = &self.workers[worker];
        self.posts.push(Post {
            epoch: worker.epoch,
            seq: worker.waits_for.unwrap_or_default(),
            says,
            at,
        });
    }

    /// The worker that waits for the answer of a post.
    fn waiting(&mut self, post: &Post) -> Option<&mut Worker> {
        let workers = self.workers.iter_mut();
        workers
            .filter(|worker| worker.epoch == post.epoch)
            .find(|worker| worker.waits_for == Some(post.seq))
    }
}

/// What a worker has to say: each something else.
fn says(epoch: u8, seq: u8) -> u8 {
    10 * epoch + seq
}

#[test]
fn invariants_of_posts_hold_in_every_interleaving() {
    let checker = Protocol { asks_for_seq: true }.checker().spawn_bfs().join();
    checker.assert_properties();
    assert!(checker.unique_state_count() > 1_000);
}

#[test]
fn commit_without_a_seq_condition_lets_a_job_go_back() {
    let without = Protocol {
        asks_for_seq: false,
    };
    let checker = without.checker().spawn_bfs().join();
    assert!(checker.discovery("the job never goes back").is_some());
}
