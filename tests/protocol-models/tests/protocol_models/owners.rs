//! The jobs of one owner in a queue with a limit of running jobs: entries, the owner's item and slots, with interrupted
//! requests. Each step is one atomic call to DynamoDB.
//!
//! | step here | in the code |
//! | --- | --- |
//! | `Create`, `Release` | `WaitingJobStore::put`: the entry, then the item of the owner; then the write of the job |
//! | `Claim` | `claim_from_queue`: the item, the entries, the slots, `reserve_slot`, `JobStore::claim_for`, `record_turn` |
//! | `Free` | `WaitingJobStore::free_slot` after the end or the release of a job, and `withdraw_and_restore` |
//! | `Check` | the watchdog of the latest claim of a job, after requests that were about to claim it have ended |
//! | `Kill` | a process stops before its next call |
//!
//! `waiting.rs` has what this model leaves out: late requests, lost leases, and entries without a claimable job.

use std::collections::BTreeSet;

use stateright::{Checker as _, HasDiscoveries, Model, Property};

const JOBS: usize = 2;
/// The limit of running jobs.
const LIMIT: usize = 1;
/// Maximum number of requests that claim.
const CLAIMANTS: u8 = 3;
/// Maximum number of requests at the same time.
const REQUESTS: usize = 3;
/// Maximum number of processes that stop.
const KILLS: u8 = 1;

#[derive(Clone, Copy, Debug, Default, Hash, PartialEq, Eq, PartialOrd, Ord)]
enum Status {
    #[default]
    Missing,
    Queued,
    Running,
    Ended,
}

#[derive(Clone, Copy, Debug, Default, Hash, PartialEq, Eq, PartialOrd, Ord)]
struct Job {
    status: Status,
    epoch: u8,
    /// The number of claims before the entry was stored; none without an entry.
    entry: Option<u8>,
    /// The claim and the request of the slot.
    slot: Option<(u8, u8)>,
    /// Whether the watchdog of a claim has to check the job.
    is_watched: bool,
}

/// What a claim knows: the version of the owner's item, its number, and the job.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
struct Claimant {
    id: u8,
    version: u8,
    job: usize,
    epoch: u8,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
enum Request {
    /// Makes a job claimable: the entry, the item, the job.
    PutEntry {
        job: usize,
        epoch: u8,
    },
    PutItem {
        job: usize,
        epoch: u8,
    },
    WriteJob {
        job: usize,
        epoch: u8,
    },
    /// Claims: reads the item, the entries and the slots.
    ReadItem {
        id: u8,
    },
    ReadEntries {
        id: u8,
        version: u8,
    },
    CountBefore(Claimant),
    Reserve(Claimant),
    CountAfter(Claimant),
    Withdraw {
        claimant: Claimant,
        is_full: bool,
    },
    WriteClaim(Claimant),
    DeleteEntry(Claimant),
    /// Deletes the item if its version is still this one.
    DeleteItem {
        version: u8,
    },
    /// Frees the slot of a job that does not run under this claim any more.
    Free {
        job: usize,
        epoch: u8,
    },
    /// Counts the slots after one was freed; `version` is that of the item that a claim has read.
    CountFree {
        version: Option<u8>,
    },
    Restore,
    /// Stores the item after a slot was freed.
    StoreItem,
}

#[derive(Clone, Debug, Default, Hash, PartialEq, Eq)]
struct State {
    jobs: [Job; JOBS],
    item: Option<u8>,
    versions: u8,
    requests: Vec<Request>,
    claimants: u8,
    releases: u8,
    kills: u8,
}

impl State {
    fn slots(&self) -> usize {
        self.jobs.iter().filter(|job| job.slot.is_some()).count()
    }

    fn running(&self) -> usize {
        let running = self.jobs.iter();
        running.filter(|job| job.status == Status::Running).count()
    }

    fn store_item(&mut self) {
        self.versions += 1;
        self.item = Some(self.versions);
    }

    /// Whether no request and no watchdog has anything left to do.
    fn is_settled(&self) -> bool {
        let is_done = |job: &Job| !job.is_watched || job.status == Status::Running;
        self.requests.is_empty() && self.jobs.iter().all(is_done)
    }

    /// Whether a job can be claimed under the limit, and a claim that is made now does not find it.
    fn is_unreachable(&self) -> bool {
        let waits = |job: &Job| job.status == Status::Queued;
        let is_found = self.item.is_some() && self.slots() < LIMIT;
        self.jobs.iter().any(waits) && self.running() < LIMIT && !is_found
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    Create(usize),
    Claim,
    Release(usize),
    End(usize),
    Check(usize),
    Step(usize),
    Kill(usize),
}

/// What is left out of the protocol, or done in another order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Variant {
    #[default]
    None,
    /// The item of the owner is stored before the entry.
    StoresTheItemFirst,
    /// A claim deletes an item that was stored since it read the item.
    DeletesAnyItem,
    /// A claim does not count the slots after it has reserved one.
    CountsBeforeOnly,
    /// A claim reserves the slot after it is written.
    ReservesAfterTheClaim,
    /// The item is not stored after a slot was freed.
    RestoresNoItem,
    /// The item is stored before the slot is freed.
    RestoresBeforeFreeing,
    /// A claim over the limit does not count again after it has withdrawn its slot.
    DoesNotCountAgain,
    /// The watchdog frees no slots.
    FreesNothingLater,
}

struct Protocol(Variant);

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.requests.len() < REQUESTS {
            for (index, job) in state.jobs.iter().enumerate() {
                let writes = |it: &Request| matches!(it, Request::PutEntry { job, .. } | Request::PutItem { job, .. } | Request::WriteJob { job, .. } if *job == index);
                let is_written = state.requests.iter().any(writes);
                match job.status {
                    Status::Missing if job.entry.is_none() && !is_written => {
                        actions.push(Action::Create(index));
                    }
                    Status::Running => {
                        actions.push(Action::End(index));
                        if state.releases == 0 && index == 0 {
                            actions.push(Action::Release(index));
                        }
                    }
                    _ => {}
                }
                // The requests that were about to claim the job have ended by then.
                let may_claim = |it: &Request| match it {
                    Request::Reserve(claimant)
                    | Request::CountAfter(claimant)
                    | Request::Withdraw { claimant, .. }
                    | Request::WriteClaim(claimant) => claimant.job == index,
                    _ => false,
                };
                if job.is_watched
                    && job.status != Status::Running
                    && !state.requests.iter().any(may_claim)
                {
                    actions.push(Action::Check(index));
                }
            }
            if state.claimants < CLAIMANTS && state.item.is_some() {
                actions.push(Action::Claim);
            }
        }
        actions.extend((0..state.requests.len()).map(Action::Step));
        if state.kills < KILLS {
            actions.extend((0..state.requests.len()).map(Action::Kill));
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut state = state.clone();
        match action {
            Action::Create(job) => state.requests.push(self.put(job, 0)),
            Action::Release(job) => {
                state.releases += 1;
                let epoch = state.jobs[job].epoch;
                state.requests.push(self.put(job, epoch));
            }
            Action::Claim => {
                state.claimants += 1;
                let id = state.claimants;
                state.requests.push(Request::ReadItem { id });
            }
            Action::End(job) => {
                state.jobs[job].status = Status::Ended;
                let epoch = state.jobs[job].epoch;
                state.requests.push(self.free(job, epoch));
            }
            Action::Check(job) => {
                state.jobs[job].is_watched = false;
                if self.0 != Variant::FreesNothingLater {
                    // A check that is interrupted is repeated: its calls are one step here.
                    state.jobs[job].slot = None;
                    let has_entries = state.jobs.iter().any(|job| job.entry.is_some());
                    if has_entries && state.slots() < LIMIT && self.0 != Variant::RestoresNoItem {
                        state.store_item();
                    }
                }
            }
            Action::Kill(index) => {
                state.kills += 1;
                state.requests.remove(index);
            }
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
            Property::always("a job that can be claimed is found", |_, state: &State| {
                !(state.is_settled() && state.is_unreachable())
            }),
            Property::always("it is found at once", |_, state: &State| {
                !(state.kills == 0 && state.requests.is_empty() && state.is_unreachable())
            }),
            Property::always("the limit is kept", |_, state: &State| {
                state.running() <= LIMIT
            }),
            Property::sometimes("both jobs run", |_, state: &State| {
                state.jobs.iter().all(|job| job.status == Status::Ended)
            }),
            Property::sometimes("a released job is claimed again", |_, state: &State| {
                state.jobs[0].epoch == 2
            }),
            Property::sometimes("a claim gives up its slot", |_, state: &State| {
                let is_withdrawal = |it: &Request| matches!(it, Request::Withdraw { .. });
                state.requests.iter().any(is_withdrawal)
            }),
        ]
    }
}

impl Protocol {
    fn put(&self, job: usize, epoch: u8) -> Request {
        if self.0 == Variant::StoresTheItemFirst {
            Request::PutItem { job, epoch }
        } else {
            Request::PutEntry { job, epoch }
        }
    }

    fn free(&self, job: usize, epoch: u8) -> Request {
        if self.0 == Variant::RestoresBeforeFreeing {
            Request::Restore
        } else {
            Request::Free { job, epoch }
        }
    }

    /// Makes the next call of a request. Returns the one after it.
    fn step(&self, state: &mut State, request: Request) -> Option<Request> {
        let is_item_first = self.0 == Variant::StoresTheItemFirst;
        match request {
            Request::PutEntry { job, epoch } => {
                if state.jobs[job].entry.is_none_or(|entry| entry <= epoch) {
                    state.jobs[job].entry = Some(epoch);
                }
                Some(if is_item_first {
                    Request::WriteJob { job, epoch }
                } else {
                    Request::PutItem { job, epoch }
                })
            }
            Request::PutItem { job, epoch } => {
                state.store_item();
                Some(if is_item_first {
                    Request::PutEntry { job, epoch }
                } else {
                    Request::WriteJob { job, epoch }
                })
            }
            Request::WriteJob { job, epoch } => {
                let written = &mut state.jobs[job];
                let is_open = matches!(written.status, Status::Missing | Status::Running);
                if !is_open || written.epoch != epoch {
                    return None;
                }
                written.status = Status::Queued;
                (epoch > 0).then(|| self.free(job, epoch))
            }
            Request::Free { job, epoch } => {
                let freed = &mut state.jobs[job];
                let is_over = freed.status == Status::Ended;
                if is_over || freed.slot.is_some_and(|(of, _)| of <= epoch) {
                    freed.slot = None;
                }
                (self.0 != Variant::RestoresBeforeFreeing)
                    .then_some(Request::CountFree { version: None })
            }
            Request::CountFree { version } => {
                if state.slots() < LIMIT {
                    return Some(Request::Restore);
                }
                version.map(|version| Request::DeleteItem { version })
            }
            Request::Restore => {
                let has_entries = state.jobs.iter().any(|job| job.entry.is_some());
                if has_entries && self.0 != Variant::RestoresNoItem {
                    return Some(Request::StoreItem);
                }
                None
            }
            Request::StoreItem => {
                state.store_item();
                if self.0 == Variant::RestoresBeforeFreeing {
                    let freed = state.jobs.iter().position(|job| {
                        job.slot.is_some() && matches!(job.status, Status::Ended | Status::Queued)
                    })?;
                    let epoch = state.jobs[freed].epoch;
                    return Some(Request::Free { job: freed, epoch });
                }
                None
            }
            Request::DeleteItem { version } => {
                if state.item == Some(version) || self.0 == Variant::DeletesAnyItem {
                    state.item = None;
                }
                None
            }
            claim => self.step_of_claim(state, claim),
        }
    }

    fn step_of_claim(&self, state: &mut State, request: Request) -> Option<Request> {
        match request {
            Request::ReadItem { id } => {
                let version = state.item?;
                Some(Request::ReadEntries { id, version })
            }
            Request::ReadEntries { id, version } => {
                // It skips entries without a claimable job.
                let waits = |job: &Job| job.entry.is_some() && job.status == Status::Queued;
                let first = state.jobs.iter().position(|job| job.entry.is_some());
                let Some(job) = state.jobs.iter().position(waits).or(first) else {
                    return Some(Request::DeleteItem { version });
                };
                Some(Request::CountBefore(Claimant {
                    id,
                    version,
                    job,
                    epoch: 0,
                }))
            }
            Request::CountBefore(mut claimant) => {
                if state.slots() >= LIMIT {
                    let version = claimant.version;
                    return Some(Request::DeleteItem { version });
                }
                let Job { status, epoch, .. } = state.jobs[claimant.job];
                if status != Status::Queued {
                    return None;
                }
                claimant.epoch = epoch + 1;
                Some(if self.0 == Variant::ReservesAfterTheClaim {
                    Request::WriteClaim(claimant)
                } else {
                    Request::Reserve(claimant)
                })
            }
            Request::Reserve(claimant) => {
                let job = &mut state.jobs[claimant.job];
                // Its watchdog is scheduled before.
                job.is_watched = true;
                if job.slot.is_some_and(|(epoch, _)| epoch >= claimant.epoch) {
                    return None;
                }
                job.slot = Some((claimant.epoch, claimant.id));
                match self.0 {
                    Variant::ReservesAfterTheClaim => Some(Request::DeleteEntry(claimant)),
                    Variant::CountsBeforeOnly => Some(Request::WriteClaim(claimant)),
                    _ => Some(Request::CountAfter(claimant)),
                }
            }
            Request::CountAfter(claimant) => Some(if state.slots() > LIMIT {
                let is_full = true;
                Request::Withdraw { claimant, is_full }
            } else {
                Request::WriteClaim(claimant)
            }),
            Request::Withdraw { claimant, is_full } => {
                let slot = &mut state.jobs[claimant.job].slot;
                if slot.is_some_and(|(_, id)| id == claimant.id) {
                    *slot = None;
                }
                let version = Some(claimant.version);
                if self.0 == Variant::DoesNotCountAgain {
                    return version.map(|version| Request::DeleteItem { version });
                }
                let version = version.filter(|_| is_full);
                Some(Request::CountFree { version })
            }
            Request::WriteClaim(claimant) => {
                let job = &mut state.jobs[claimant.job];
                if job.status != Status::Queued || job.epoch + 1 != claimant.epoch {
                    // A worker holds the job, and the slot is that of the job.
                    if job.status == Status::Running {
                        return None;
                    }
                    let is_full = false;
                    return Some(Request::Withdraw { claimant, is_full });
                }
                job.status = Status::Running;
                job.epoch = claimant.epoch;
                job.is_watched = true;
                Some(if self.0 == Variant::ReservesAfterTheClaim {
                    Request::Reserve(claimant)
                } else {
                    Request::DeleteEntry(claimant)
                })
            }
            Request::DeleteEntry(claimant) => {
                let job = &mut state.jobs[claimant.job];
                if job.entry.is_some_and(|entry| entry < claimant.epoch) {
                    job.entry = None;
                }
                // The owner is at its limit.
                let version = claimant.version;
                Some(Request::DeleteItem { version })
            }
            _ => None,
        }
    }
}

#[test]
fn jobs_are_found_and_the_limit_is_kept_in_every_interleaving() {
    let checker = Protocol(Variant::None).checker().spawn_bfs().join();
    checker.assert_properties();
    assert!(checker.unique_state_count() > 10_000);
}

#[test]
fn each_rule_of_the_protocol_is_needed() {
    let (found, limit) = ("a job that can be claimed is found", "the limit is kept");
    let at_once = "it is found at once";
    for (variant, property) in [
        (Variant::StoresTheItemFirst, found),
        (Variant::DeletesAnyItem, found),
        (Variant::CountsBeforeOnly, limit),
        (Variant::ReservesAfterTheClaim, limit),
        (Variant::RestoresNoItem, found),
        (Variant::RestoresBeforeFreeing, at_once),
        (Variant::DoesNotCountAgain, at_once),
        (Variant::FreesNothingLater, found),
    ] {
        // The first counterexample is enough: all states of a variant take a minute.
        let wanted = HasDiscoveries::AllOf(BTreeSet::from([property]));
        let checker = Protocol(variant).checker().finish_when(wanted);
        let broken = checker.spawn_bfs().join().discovery(property);
        assert!(broken.is_some(), "{variant:?} breaks nothing");
    }
}
