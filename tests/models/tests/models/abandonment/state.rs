//! The job, its log, and everyone who writes to them.

use super::{EVENTS, Protocol};

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(super) enum Says {
    Stage,
    Complete,
    Cancelled,
    /// The job was given up; written under this claim.
    Lost {
        by: u8,
    },
}

#[derive(Clone, Debug, Default, Hash, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the facts of a state are independent of each other"
)]
pub(super) struct State {
    pub(super) seq: u8,
    pub(super) epoch: u8,
    /// The last claim of a worker.
    pub(super) claimed: u8,
    pub(super) is_running: bool,
    /// A lease that has not ended: the holder has renewed it lately.
    pub(super) is_leased: bool,
    pub(super) has_ended: bool,
    pub(super) endings: u8,
    pub(super) is_cancel_requested: bool,
    /// A client has been answered that the job stops.
    pub(super) is_accepted: bool,
    pub(super) log: Vec<(u8, Says)>,
    pub(super) committed: Vec<Says>,
    pub(super) workers: Vec<Worker>,
    /// The claims whose watchdog is scheduled, and whether its pointer has been received before.
    pub(super) watchdogs: Vec<(u8, bool)>,
    pub(super) settlements: Vec<Settlement>,
    pub(super) requests: u8,
    pub(super) give_ups: u8,
    pub(super) crashes: u8,
    /// The durable messages that were sent, or that the delivery function was asked to send.
    pub(super) sent: u8,
    /// The last commit was made without a lease, and nothing has renewed it since.
    pub(super) is_without_lease: bool,
    /// The job was ended as given up, although a worker had it again since.
    pub(super) is_overruled: bool,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(super) enum Worker {
    /// A watchdog is scheduled for the claim after the one that was read; its own is not written.
    Claiming {
        read: u8,
    },
    /// Its claim is written, and does not follow the one that was read.
    Unwatched {
        epoch: u8,
    },
    Working {
        epoch: u8,
    },
    Appended {
        epoch: u8,
        place: u8,
    },
    Over,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Settlement {
    pub(super) by: By,
    /// The job as it was read.
    epoch: u8,
    seq: u8,
    /// The `seq` that subscribers have.
    before: u8,
    /// How the job is to end, if not only what is in the log is to be committed.
    ending: Option<Ends>,
    at: At,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum By {
    Request,
    Watchdog { epoch: u8 },
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ends {
    Cancelled,
    Lost,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum At {
    Claim,
    Append,
    Commit,
    Notify,
}

/// The durable messages up to `seq`.
pub(super) fn through(seq: u8) -> u8 {
    (1 << seq) - 1
}

impl State {
    /// Whether nothing more happens unless a client or another worker comes.
    pub(super) fn is_quiet(&self, protocol: &Protocol) -> bool {
        self.workers.iter().all(|worker| *worker == Worker::Over)
            && !self.is_leased
            && self.settlements.is_empty()
            && (0..self.watchdogs.len()).all(|index| !self.has_something_for(index, protocol))
    }

    /// Whether a look would change anything: one at a live lease, or at a job that waits for a
    /// worker, is only repeated later.
    pub(super) fn has_something_for(&self, index: usize, protocol: &Protocol) -> bool {
        let (epoch, is_repeated) = self.watchdogs[index];
        if self.has_ended || epoch < self.epoch || is_repeated {
            return true;
        }
        let next = self.adoptable(self.seq, self.epoch, protocol);
        // What a settlement does not adopt stands in its way, however often it is tried.
        let is_in_the_way = self.log.get(usize::from(self.seq)).is_some_and(|event| {
            let (writer, says) = *event;
            writer == self.epoch && says != Says::Cancelled
        });
        let is_stuck = !protocol.adopts && self.is_cancel_requested && is_in_the_way;
        let is_due = self.is_cancel_requested || next.is_some();
        epoch == self.epoch && self.is_running && !self.is_leased && is_due && !is_stuck
    }

    /// Whether a look may find that the job's worker has been silent for too long. That nothing else
    /// is to be done is for the caller to know.
    pub(super) fn is_silent_for(&self, index: usize) -> bool {
        let (epoch, _) = self.watchdogs[index];
        let is_unattended = self.is_running && !self.is_leased && !self.has_ended;
        is_unattended && epoch == self.epoch && !self.is_cancel_requested
    }

    /// The event at `place`, as far as who writes under `epoch` adopts it.
    pub(super) fn adoptable(&self, place: u8, epoch: u8, protocol: &Protocol) -> Option<Says> {
        let (writer, says) = *self.log.get(usize::from(place))?;
        let is_given_up = matches!(says, Says::Lost { .. });
        let is_skipped = protocol.skips && is_given_up && writer < epoch;
        (!is_skipped).then_some(says)
    }

    /// Schedules a watchdog. A second one of the same claim would do what the first one does.
    pub(super) fn schedule(&mut self, epoch: u8) {
        if !self.watchdogs.contains(&(epoch, false)) {
            self.watchdogs.push((epoch, false));
        }
    }

    pub(super) fn claim(&mut self, index: usize, protocol: &Protocol) {
        let Worker::Claiming { read } = self.workers[index] else {
            return;
        };
        if self.has_ended || self.is_leased {
            self.workers[index] = Worker::Over;
            return;
        }
        let follows = read == self.epoch;
        if protocol.rereads && !follows {
            let read = self.epoch;
            self.workers[index] = Worker::Claiming { read };
            if protocol.watches {
                self.schedule(read + 1);
            }
            return;
        }
        if self.is_running {
            // A takeover sends the log again.
            self.sent = through(self.seq);
        }
        self.is_without_lease = false;
        self.epoch += 1;
        let epoch = self.epoch;
        self.claimed = epoch;
        (self.is_running, self.is_leased) = (true, true);
        if follows || !protocol.watches {
            self.adopt(index, epoch, protocol);
        } else {
            self.workers[index] = Worker::Unwatched { epoch };
        }
    }

    pub(super) fn watch(&mut self, index: usize, protocol: &Protocol) {
        if let Worker::Unwatched { epoch } = self.workers[index] {
            self.schedule(epoch);
            self.adopt(index, epoch, protocol);
        }
    }

    /// What is in the log is adopted, as a call of its own.
    fn adopt(&mut self, index: usize, epoch: u8, protocol: &Protocol) {
        let place = self.seq;
        self.workers[index] = Worker::Working { epoch };
        if let Some(says) = self.adoptable(place, epoch, protocol)
            && self.put(place, epoch, says).is_some()
        {
            self.workers[index] = Worker::Appended { epoch, place };
        }
    }

    pub(super) fn append(&mut self, index: usize) {
        let Worker::Working { epoch } = self.workers[index] else {
            return;
        };
        // The worker's own count: it is wrong about the job once that was settled without it.
        let place = self.seq;
        let says = match (self.is_cancel_requested, place + 1 < EVENTS) {
            (true, _) => Says::Cancelled,
            (false, true) => Says::Stage,
            (false, false) => Says::Complete,
        };
        self.workers[index] = if self.put(place, epoch, says).is_some() {
            Worker::Appended { epoch, place }
        } else {
            Worker::Over
        };
    }

    /// Writes to the log, unless the same claim has; `None` if a later one has.
    fn put(&mut self, place: u8, epoch: u8, says: Says) -> Option<Says> {
        match self.log.get_mut(usize::from(place)) {
            None => self.log.push((epoch, says)),
            Some(there) if there.0 > epoch => return None,
            Some(there) if there.0 == epoch => return Some(there.1),
            Some(there) => *there = (epoch, says),
        }
        Some(says)
    }

    pub(super) fn commit(&mut self, index: usize) {
        let Worker::Appended { epoch, place } = self.workers[index] else {
            return;
        };
        self.workers[index] = Worker::Over;
        if self.epoch != epoch {
            return;
        }
        if self.seq == place && !self.has_ended {
            let says = self.reach(place);
            self.is_overruled |= matches!(says, Says::Lost { .. });
            self.is_leased = !self.has_ended;
            self.is_without_lease = false;
        }
        // The worker's function sends it, also if it was committed without it; that is another
        // model's.
        if self.seq > place {
            self.sent |= through(place + 1) & !through(place);
        }
        if self.seq > place && !self.has_ended {
            self.workers[index] = Worker::Working { epoch };
        }
    }

    fn reach(&mut self, place: u8) -> Says {
        let says = self.log[usize::from(place)].1;
        self.seq = place + 1;
        self.committed.push(says);
        if says != Says::Stage {
            self.has_ended = true;
            self.is_running = false;
            self.is_leased = false;
            self.endings += 1;
        }
        says
    }

    pub(super) fn cancel(&mut self, watches: bool) {
        self.requests += 1;
        self.is_cancel_requested = true;
        if self.is_leased {
            self.is_accepted = true;
        } else {
            if watches && self.epoch == 0 {
                self.schedule(0);
            }
            self.start_settling(By::Request, Some(Ends::Cancelled), At::Append);
        }
    }

    fn start_settling(&mut self, by: By, ending: Option<Ends>, at: At) {
        self.settlements.push(Settlement {
            by,
            epoch: self.epoch,
            seq: self.seq,
            before: self.seq,
            ending,
            at,
        });
    }

    pub(super) fn look(&mut self, index: usize) {
        let (epoch, is_repeated) = self.watchdogs.remove(index);
        if is_repeated || self.is_without_lease {
            self.sent = through(self.seq);
        }
        if self.has_ended || epoch != self.epoch {
            return;
        }
        if self.is_leased {
            self.schedule(epoch);
            return;
        }
        let ending = self.is_cancel_requested.then_some(Ends::Cancelled);
        self.start_settling(By::Watchdog { epoch }, ending, At::Append);
    }

    pub(super) fn give_up(&mut self, index: usize, protocol: &Protocol) {
        self.give_ups += 1;
        let (epoch, _) = self.watchdogs.remove(index);
        let at = if protocol.takes {
            self.schedule(epoch + 1);
            At::Claim
        } else {
            At::Append
        };
        self.start_settling(By::Watchdog { epoch }, Some(Ends::Lost), at);
    }

    pub(super) fn settle(&mut self, index: usize, protocol: &Protocol) {
        let mut settlement = self.settlements[index].clone();
        let (epoch, place) = (settlement.epoch, settlement.seq);
        let is_changed = settlement.seq > settlement.before;
        settlement.at = match settlement.at {
            At::Claim => {
                let is_unattended = self.is_running && !self.is_leased;
                if self.epoch == epoch && self.seq == place && is_unattended {
                    self.epoch += 1;
                    settlement.epoch = self.epoch;
                    At::Append
                } else {
                    At::Notify
                }
            }
            At::Append => {
                let left = self.adoptable(place, epoch, protocol);
                let ending = settlement.ending.map(|ends| match ends {
                    Ends::Cancelled => Says::Cancelled,
                    Ends::Lost => Says::Lost { by: epoch },
                });
                // Without an ending, only what is in the log is committed.
                let says = match settlement.ending {
                    Some(Ends::Lost) if protocol.adopts => left.or(ending),
                    Some(_) => ending,
                    None => left,
                };
                match says.and_then(|says| Some((says, self.put(place, epoch, says)?))) {
                    Some((says, there)) if says == there || protocol.adopts => At::Commit,
                    _ => At::Notify,
                }
            }
            At::Commit => {
                let is_ours = self.epoch == epoch && self.seq == place && !self.is_leased;
                if is_ours && !self.has_ended {
                    let says = self.reach(place);
                    let is_later = |by| self.claimed > by;
                    self.is_overruled |= matches!(says, Says::Lost { by } if is_later(by));
                    self.is_without_lease = true;
                }
                if self.epoch == epoch && self.seq > place {
                    settlement.seq = self.seq;
                    if self.has_ended {
                        At::Notify
                    } else {
                        At::Append
                    }
                } else {
                    At::Notify
                }
            }
            At::Notify => {
                if is_changed {
                    self.sent |= through(settlement.seq) & !through(settlement.before);
                }
                self.settlements.remove(index);
                match settlement.by {
                    By::Request => self.is_accepted = true,
                    // It looks again, unless it has seen the job's end.
                    By::Watchdog { epoch } => {
                        let sees_end = self.has_ended && is_changed && settlement.seq == self.seq;
                        if !sees_end {
                            self.schedule(epoch);
                        }
                    }
                }
                return;
            }
        };
        self.settlements[index] = settlement;
    }
}
