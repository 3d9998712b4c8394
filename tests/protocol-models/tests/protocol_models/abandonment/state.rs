//! The state of the model: the job, its log, and all processes that write to them.

use super::{EVENTS, Protocol};

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(super) enum Event {
    Stage,
    Complete,
    Cancelled,
    /// `worker_lost`, written under this epoch.
    Lost {
        by: u8,
    },
}

#[derive(Clone, Debug, Default, Hash, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the flags of a state are independent of each other"
)]
pub(super) struct State {
    pub(super) seq: u8,
    pub(super) epoch: u8,
    /// The epoch of the last claim by a worker.
    pub(super) claimed: u8,
    pub(super) is_running: bool,
    /// Whether a lease is valid.
    pub(super) is_leased: bool,
    pub(super) has_ended: bool,
    pub(super) endings: u8,
    pub(super) is_cancel_requested: bool,
    /// Whether a client's cancellation request was accepted.
    pub(super) is_accepted: bool,
    pub(super) log: Vec<(u8, Event)>,
    pub(super) committed: Vec<Event>,
    pub(super) workers: Vec<Worker>,
    /// The scheduled watchdogs: epoch, and whether the delivery task was received before.
    pub(super) watchdogs: Vec<(u8, bool)>,
    pub(super) settlements: Vec<Settlement>,
    pub(super) requests: u8,
    pub(super) give_ups: u8,
    pub(super) crashes: u8,
    /// The durable messages that were sent or queued for the delivery function, as a bit set.
    pub(super) sent: u8,
    /// Whether the last commit was made without a lease, and no lease was taken since.
    pub(super) is_without_lease: bool,
    /// Whether the job was failed as lost although a worker had claimed it again.
    pub(super) is_overruled: bool,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Worker {
    /// Has read this epoch and scheduled a watchdog for the next one; the claim is not written.
    Claiming {
        read: u8,
    },
    /// Has claimed the job under another epoch than the scheduled watchdog's.
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
    pub(super) by: Trigger,
    /// `epoch` and `seq` of the job when it was read.
    epoch: u8,
    seq: u8,
    /// The `seq` before the settlement.
    before: u8,
    /// The requested end of the job; `None` only commits an uncommitted event.
    ending: Option<Ending>,
    at: NextCall,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trigger {
    Request,
    Watchdog { epoch: u8 },
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ending {
    Cancelled,
    Lost,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NextCall {
    Claim,
    Append,
    Commit,
    Notify,
}

/// The durable messages up to `seq`, as a bit set.
pub(super) fn through(seq: u8) -> u8 {
    (1 << seq) - 1
}

impl State {
    /// Whether nothing more can happen without a new client request or worker.
    pub(super) fn is_quiet(&self, protocol: &Protocol) -> bool {
        self.workers.iter().all(|worker| *worker == Worker::Over)
            && !self.is_leased
            && self.settlements.is_empty()
            && (0..self.watchdogs.len()).all(|index| !self.is_actionable(index, protocol))
    }

    /// Whether running this watchdog would change the job. With a valid lease, or for a job that waits for
    /// a worker, it only schedules itself again.
    pub(super) fn is_actionable(&self, index: usize, protocol: &Protocol) -> bool {
        let (epoch, is_repeated) = self.watchdogs[index];
        if self.has_ended || epoch < self.epoch || is_repeated {
            return true;
        }
        let next = self.adoptable(self.seq, self.epoch, protocol);
        // An event that settlements do not adopt blocks all of them.
        let is_in_the_way = self.log.get(usize::from(self.seq)).is_some_and(|event| {
            let (writer, event) = *event;
            writer == self.epoch && event != Event::Cancelled
        });
        let is_stuck = !protocol.adopts_events && self.is_cancel_requested && is_in_the_way;
        let is_due = self.is_cancel_requested || next.is_some();
        epoch == self.epoch && self.is_running && !self.is_leased && is_due && !is_stuck
    }

    /// Whether this watchdog may give up the job because its worker is silent. The caller checks that the
    /// watchdog has nothing else to do.
    pub(super) fn can_give_up(&self, index: usize) -> bool {
        let (epoch, _) = self.watchdogs[index];
        let is_unattended = self.is_running && !self.is_leased && !self.has_ended;
        is_unattended && epoch == self.epoch && !self.is_cancel_requested
    }

    /// The event at `place`, if a writer under `epoch` adopts it.
    pub(super) fn adoptable(&self, place: u8, epoch: u8, protocol: &Protocol) -> Option<Event> {
        let (writer, event) = *self.log.get(usize::from(place))?;
        let is_given_up = matches!(event, Event::Lost { .. });
        let is_skipped = protocol.discards_worker_lost && is_given_up && writer < epoch;
        (!is_skipped).then_some(event)
    }

    /// Schedules a watchdog, unless one with the same epoch is scheduled: it would behave the same.
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
        if protocol.rejects_stale_claims && !follows {
            let read = self.epoch;
            self.workers[index] = Worker::Claiming { read };
            if protocol.schedules_watchdog {
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
        if follows || !protocol.schedules_watchdog {
            self.adopt(index, epoch, protocol);
        } else {
            self.workers[index] = Worker::Unwatched { epoch };
        }
    }

    pub(super) fn schedule_missing_watchdog(&mut self, index: usize, protocol: &Protocol) {
        if let Worker::Unwatched { epoch } = self.workers[index] {
            self.schedule(epoch);
            self.adopt(index, epoch, protocol);
        }
    }

    /// Adopts an uncommitted event, in a separate call.
    fn adopt(&mut self, index: usize, epoch: u8, protocol: &Protocol) {
        let place = self.seq;
        self.workers[index] = Worker::Working { epoch };
        if let Some(event) = self.adoptable(place, epoch, protocol)
            && self.write_to_log(place, epoch, event).is_some()
        {
            self.workers[index] = Worker::Appended { epoch, place };
        }
    }

    pub(super) fn append(&mut self, index: usize) {
        let Worker::Working { epoch } = self.workers[index] else {
            return;
        };
        // The worker's own `seq` is outdated once the job was settled without it.
        let place = self.seq;
        let event = match (self.is_cancel_requested, place + 1 < EVENTS) {
            (true, _) => Event::Cancelled,
            (false, true) => Event::Stage,
            (false, false) => Event::Complete,
        };
        self.workers[index] = if self.write_to_log(place, epoch, event).is_some() {
            Worker::Appended { epoch, place }
        } else {
            Worker::Over
        };
    }

    /// Writes an event to the log. Keeps an event of the same epoch and returns it. Returns `None` if a later
    /// epoch has written.
    fn write_to_log(&mut self, place: u8, epoch: u8, event: Event) -> Option<Event> {
        match self.log.get_mut(usize::from(place)) {
            None => self.log.push((epoch, event)),
            Some(there) if there.0 > epoch => return None,
            Some(there) if there.0 == epoch => return Some(there.1),
            Some(there) => *there = (epoch, event),
        }
        Some(event)
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
            let event = self.commit_event(place);
            self.is_overruled |= matches!(event, Event::Lost { .. });
            self.is_leased = !self.has_ended;
            self.is_without_lease = false;
        }
        // The worker function also sends an event that was committed without it. The model `posts` covers
        // that.
        if self.seq > place {
            self.sent |= through(place + 1) & !through(place);
        }
        if self.seq > place && !self.has_ended {
            self.workers[index] = Worker::Working { epoch };
        }
    }

    fn commit_event(&mut self, place: u8) -> Event {
        let event = self.log[usize::from(place)].1;
        self.seq = place + 1;
        self.committed.push(event);
        if event != Event::Stage {
            self.has_ended = true;
            self.is_running = false;
            self.is_leased = false;
            self.endings += 1;
        }
        event
    }

    pub(super) fn cancel(&mut self, schedules_watchdog: bool) {
        self.requests += 1;
        self.is_cancel_requested = true;
        if self.is_leased {
            self.is_accepted = true;
        } else {
            if schedules_watchdog && self.epoch == 0 {
                self.schedule(0);
            }
            self.start_settlement(Trigger::Request, Some(Ending::Cancelled), NextCall::Append);
        }
    }

    fn start_settlement(&mut self, by: Trigger, ending: Option<Ending>, at: NextCall) {
        self.settlements.push(Settlement {
            by,
            epoch: self.epoch,
            seq: self.seq,
            before: self.seq,
            ending,
            at,
        });
    }

    pub(super) fn run_watchdog(&mut self, index: usize) {
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
        let ending = self.is_cancel_requested.then_some(Ending::Cancelled);
        self.start_settlement(Trigger::Watchdog { epoch }, ending, NextCall::Append);
    }

    pub(super) fn give_up(&mut self, index: usize, protocol: &Protocol) {
        self.give_ups += 1;
        let (epoch, _) = self.watchdogs.remove(index);
        let at = if protocol.watchdog_claims {
            self.schedule(epoch + 1);
            NextCall::Claim
        } else {
            NextCall::Append
        };
        self.start_settlement(Trigger::Watchdog { epoch }, Some(Ending::Lost), at);
    }

    pub(super) fn settle(&mut self, index: usize, protocol: &Protocol) {
        let mut settlement = self.settlements[index].clone();
        let (epoch, place) = (settlement.epoch, settlement.seq);
        let is_changed = settlement.seq > settlement.before;
        settlement.at = match settlement.at {
            NextCall::Claim => {
                let is_unattended = self.is_running && !self.is_leased;
                if self.epoch == epoch && self.seq == place && is_unattended {
                    self.epoch += 1;
                    settlement.epoch = self.epoch;
                    NextCall::Append
                } else {
                    NextCall::Notify
                }
            }
            NextCall::Append => {
                let left = self.adoptable(place, epoch, protocol);
                let ending = settlement.ending.map(|ending| match ending {
                    Ending::Cancelled => Event::Cancelled,
                    Ending::Lost => Event::Lost { by: epoch },
                });
                // Without a requested end, only an uncommitted event is committed.
                let event = match settlement.ending {
                    Some(Ending::Lost) if protocol.adopts_events => left.or(ending),
                    Some(_) => ending,
                    None => left,
                };
                match event.and_then(|event| Some((event, self.write_to_log(place, epoch, event)?)))
                {
                    Some((event, there)) if event == there || protocol.adopts_events => {
                        NextCall::Commit
                    }
                    _ => NextCall::Notify,
                }
            }
            NextCall::Commit => {
                let is_ours = self.epoch == epoch && self.seq == place && !self.is_leased;
                if is_ours && !self.has_ended {
                    let event = self.commit_event(place);
                    let is_later = |by| self.claimed > by;
                    self.is_overruled |= matches!(event, Event::Lost { by } if is_later(by));
                    self.is_without_lease = true;
                }
                if self.epoch == epoch && self.seq > place {
                    settlement.seq = self.seq;
                    if self.has_ended {
                        NextCall::Notify
                    } else {
                        NextCall::Append
                    }
                } else {
                    NextCall::Notify
                }
            }
            NextCall::Notify => {
                if is_changed {
                    self.sent |= through(settlement.seq) & !through(settlement.before);
                }
                self.settlements.remove(index);
                match settlement.by {
                    Trigger::Request => self.is_accepted = true,
                    // The watchdog is scheduled again, unless it has seen the end of the job.
                    Trigger::Watchdog { epoch } => {
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
