//! The entry of a job in its queue of external workers, with interrupted requests, late calls and lost leases.
//! Each step is one atomic call to DynamoDB. A request that makes no further step was killed.
//!
//! | step here | in the code |
//! | --- | --- |
//! | `Create`, `Release` | `waiting::enqueue`, then the write of the job |
//! | `Claim` | `claim_from_queue::try_claim`: the query, the job, `JobStore::claim_for`, `delete_claimed` |
//! | `Check` | the watchdog of the latest claim: the job, then `waiting::enqueue` |
//! | `LoseLease`, `Renew`, `End` | the lease ends; a worker that was silent posts again; its job ends |
//! | `Age` | 60 seconds pass, in which no request of that time is left |

use stateright::{Checker as _, Model, Property};

/// Maximum number of claims that are written.
const CLAIMS: u8 = 2;
/// Maximum number of requests that claim the job.
const CLAIMANTS: u8 = 3;
/// Maximum number of requests at the same time.
const REQUESTS: usize = 3;
/// Maximum number of checks by watchdogs.
const CHECKS: u8 = 3;

#[derive(Clone, Copy, Debug, Default, Hash, PartialEq, Eq, PartialOrd, Ord)]
enum Status {
    #[default]
    Missing,
    Queued,
    /// Running, with a lease that lasts or has ended.
    Held,
    Lost,
    Ended,
}

#[derive(Clone, Copy, Debug, Default, Hash, PartialEq, Eq, PartialOrd, Ord)]
struct Job {
    status: Status,
    epoch: u8,
}

impl Job {
    fn is_claimable(self) -> bool {
        matches!(self.status, Status::Queued | Status::Lost)
    }
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    epoch: u8,
    /// Differs for entries that were stored at different times.
    stored: u8,
    is_old: bool,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
enum Request {
    /// Creates the job, or releases the claim `epoch`: first the entry, then the job.
    Put {
        epoch: u8,
    },
    Write {
        epoch: u8,
    },
    /// Claims the job: the query, the job, the claim, the deletion.
    Query,
    Load(Entry),
    Take(Entry, Job),
    DeleteClaimed {
        epoch: u8,
    },
    /// Deletes an entry that was read, and that has not been stored again.
    DeleteUnchanged(Entry),
    /// The watchdog has read the job under the claim `epoch`.
    Enqueue {
        epoch: u8,
    },
}

#[derive(Clone, Debug, Default, Hash, PartialEq, Eq)]
struct State {
    job: Job,
    entry: Option<Entry>,
    stored: u8,
    requests: Vec<Request>,
    claimants: u8,
    checks: u8,
    renewals: u8,
    releases: u8,
    /// Whether the watchdog has stored the entry since the lease ended. A job that becomes claimable by a request
    /// needs no watchdog.
    is_enqueued: bool,
    /// Whether a claim was written while another one was held.
    claimed_twice: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    Create,
    Claim,
    Release,
    Check,
    LoseLease,
    Renew,
    End,
    Age,
    Step(usize),
}

/// What is left out of the protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Variant {
    #[default]
    None,
    /// The deletion after a claim ignores for which claim the entry was stored.
    DeletesAnyEntry,
    /// A claimant deletes the entry of a job that is not claimable at once.
    DeletesYoungEntries,
    /// A late request replaces the entry of a later claim.
    ReplacesLaterEntries,
    /// The job is written before its entry.
    WritesTheJobFirst,
}

struct Protocol(Variant);

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let Job { status, epoch } = state.job;
        if state.requests.len() < REQUESTS {
            if status == Status::Missing && state.stored == 0 && state.requests.is_empty() {
                actions.push(Action::Create);
            }
            if epoch < CLAIMS && state.claimants < CLAIMANTS && state.entry.is_some() {
                actions.push(Action::Claim);
            }
            if matches!(status, Status::Held | Status::Lost) && state.releases == 0 {
                actions.push(Action::Release);
            }
            if status == Status::Lost && state.checks < CHECKS {
                actions.push(Action::Check);
            }
        }
        match status {
            Status::Held => actions.extend([Action::LoseLease, Action::End]),
            Status::Lost if state.renewals == 0 => actions.push(Action::Renew),
            _ => {}
        }
        let is_about_to_write = |it: &Request| matches!(it, Request::Write { .. });
        let is_young = state.entry.is_some_and(|entry| !entry.is_old);
        if is_young && !state.requests.iter().any(is_about_to_write) {
            actions.push(Action::Age);
        }
        actions.extend((0..state.requests.len()).map(Action::Step));
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut state = state.clone();
        let epoch = state.job.epoch;
        let first_of_two = if self.0 == Variant::WritesTheJobFirst {
            Request::Write { epoch }
        } else {
            Request::Put { epoch }
        };
        match action {
            Action::Create => state.requests.push(first_of_two),
            Action::Release => {
                state.releases += 1;
                state.requests.push(first_of_two);
            }
            Action::Claim => {
                state.claimants += 1;
                state.requests.push(Request::Query);
            }
            Action::Check => {
                state.checks += 1;
                state.requests.push(Request::Enqueue { epoch });
            }
            Action::LoseLease => {
                state.job.status = Status::Lost;
                state.is_enqueued = false;
            }
            Action::Renew => {
                state.renewals += 1;
                state.job.status = Status::Held;
            }
            Action::End => state.job.status = Status::Ended,
            Action::Age => state.entry.as_mut()?.is_old = true,
            Action::Step(index) => {
                let request = state.requests.remove(index);
                if let Some(next) = self.step(&mut state, request) {
                    state.requests.push(next);
                }
            }
        }
        // The order of requests does not matter.
        state.requests.sort_unstable();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("a claimable job is found", |_, state: &State| {
                !state.job.is_claimable() || !state.is_enqueued || state.entry.is_some()
            }),
            Property::always("a job is claimed by one", |_, state: &State| {
                !state.claimed_twice
            }),
            Property::sometimes("a lost lease is claimed again", |_, state: &State| {
                state.job.epoch == CLAIMS
            }),
            Property::sometimes("an ended job leaves no entry", |_, state: &State| {
                state.job.status == Status::Ended && state.entry.is_none() && state.checks > 0
            }),
        ]
    }
}

impl Protocol {
    /// Makes the next call of a request. Returns the one after it.
    fn step(&self, state: &mut State, request: Request) -> Option<Request> {
        let writes_first = self.0 == Variant::WritesTheJobFirst;
        match request {
            Request::Put { epoch } => {
                self.put(state, epoch);
                return (!writes_first).then_some(Request::Write { epoch });
            }
            Request::Write { epoch } => {
                let job = &mut state.job;
                let is_open = matches!(job.status, Status::Missing | Status::Held | Status::Lost);
                if job.epoch == epoch && is_open {
                    job.status = Status::Queued;
                    state.is_enqueued = true;
                    return writes_first.then_some(Request::Put { epoch });
                }
            }
            Request::Query => return state.entry.map(Request::Load),
            Request::Load(entry) => {
                let job = state.job;
                if job.is_claimable() {
                    return Some(Request::Take(entry, job));
                }
                let is_over = job.status == Status::Ended || entry.is_old;
                if is_over || self.0 == Variant::DeletesYoungEntries {
                    return Some(Request::DeleteUnchanged(entry));
                }
                return (entry.epoch < job.epoch)
                    .then_some(Request::DeleteClaimed { epoch: job.epoch });
            }
            Request::Take(_, known) => {
                if state.job == known {
                    state.claimed_twice |= !state.job.is_claimable();
                    state.job.epoch += 1;
                    state.job.status = Status::Held;
                    let epoch = state.job.epoch;
                    return Some(Request::DeleteClaimed { epoch });
                }
            }
            Request::DeleteClaimed { epoch } => {
                let is_earlier = state.entry.is_some_and(|entry| entry.epoch < epoch);
                if is_earlier || self.0 == Variant::DeletesAnyEntry {
                    state.entry = None;
                }
            }
            Request::DeleteUnchanged(read) => {
                let is_unchanged =
                    |entry: Entry| (entry.epoch, entry.stored) == (read.epoch, read.stored);
                if state.entry.is_some_and(is_unchanged) {
                    state.entry = None;
                }
            }
            Request::Enqueue { epoch } => {
                self.put(state, epoch);
                if state.job.epoch == epoch && state.job.status == Status::Lost {
                    state.is_enqueued = true;
                }
            }
        }
        None
    }

    fn put(&self, state: &mut State, epoch: u8) {
        let is_later = state.entry.is_some_and(|entry| entry.epoch > epoch);
        if is_later && self.0 != Variant::ReplacesLaterEntries {
            return;
        }
        state.stored += 1;
        state.entry = Some(Entry {
            epoch,
            stored: state.stored,
            is_old: false,
        });
    }
}

#[test]
fn claimable_job_is_found_in_every_interleaving() {
    let checker = Protocol(Variant::None).checker().spawn_bfs().join();
    checker.assert_properties();
    assert!(checker.unique_state_count() > 1_000);
}

#[test]
fn each_condition_of_the_protocol_is_needed() {
    for variant in [
        Variant::DeletesAnyEntry,
        Variant::DeletesYoungEntries,
        Variant::ReplacesLaterEntries,
        Variant::WritesTheJobFirst,
    ] {
        let checker = Protocol(variant).checker().spawn_bfs().join();
        let lost = checker.discovery("a claimable job is found");
        assert!(lost.is_some(), "{variant:?} loses no job");
    }
}
