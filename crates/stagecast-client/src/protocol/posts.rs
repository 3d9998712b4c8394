//! The posts of an external worker to `POST /v1/jobs/{job_id}/events`, under its lease of a job.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use raw_json::RawJson;
use serde::{Deserialize, Serialize};
use stagecast_contract::{
    limits::{MAX_EVENTS, MAX_UPDATES_PER_SECOND},
    messages::JobStatus,
    worker::{WorkerEvent, WorkerProgress},
};

use crate::{backoff::Backoff, error::Error};

/// Shortest time between the starts of two posts that contain only progress.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(1000 / MAX_UPDATES_PER_SECOND as u64);
/// Longest time between the starts of two posts: the lease lasts 30 seconds.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Identifies an event whose outcome the worker waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(u64);

/// The response to a post that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Accepted {
    /// The `seq` of the job's last durable message.
    pub seq: u64,
    /// The status of the job.
    pub status: JobStatus,
    /// Whether the cancellation of the job was requested.
    pub cancel_requested: bool,
}

/// Whether the worker still holds its job.
#[derive(Clone, Debug, Default)]
pub enum Lease {
    /// It holds the job, as far as it knows.
    #[default]
    Held,
    /// The job was claimed again, or its log does not match: the worker stops, and posts nothing.
    Lost(Error),
    /// The job has ended: by an event of this worker, by a cancellation or by a time limit.
    Ended,
}

/// Orders a worker's events into posts. One post is in flight at a time; after a lost response it is repeated with
/// the same body, so that its events take effect once.
///
/// The driver calls [`next_post`](Self::next_post) at [`next_tick`](Self::next_tick) and after each event, sends
/// the body, and calls [`answered`](Self::answered).
#[derive(Debug)]
pub struct Posts {
    epoch: u64,
    after_seq: u64,
    random: fastrand::Rng,
    waiting: VecDeque<Entry>,
    in_flight: Option<InFlight>,
    /// The number of events in a post: 1 after a rejection, so that the service accepts all events but the one that
    /// it rejects.
    batch: usize,
    last_start: Duration,
    tickets: u64,
    /// The number of checkpoints so far. The service stores none with a lower number over one with a higher one.
    checkpoints: u64,
    outcomes: Vec<(Ticket, Result<(), Error>)>,
    lease: Lease,
    cancel_requested: bool,
}

#[derive(Debug)]
struct Entry {
    kind: Kind,
    stage: Option<String>,
    json: RawJson,
    ticket: Option<Ticket>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Progress,
    Checkpoint,
    Durable,
}

#[derive(Debug)]
struct InFlight {
    body: Bytes,
    entries: Vec<Entry>,
    failures: u32,
    /// When the body is sent again; none while a response is awaited.
    retry_at: Option<Duration>,
}

/// A checkpoint as an event.
#[derive(Serialize)]
struct Checkpoint<'a> {
    r#type: &'static str,
    stage: &'a str,
    number: u64,
    state: &'a RawJson,
}

impl Posts {
    /// The posts after a claim: with its `epoch`, its `seq`, and whether a cancellation was requested. `seed`
    /// determines the random delays.
    pub fn new(epoch: u64, seq: u64, cancel_requested: bool, seed: u64, now: Duration) -> Self {
        Self {
            epoch,
            after_seq: seq,
            random: fastrand::Rng::with_seed(seed),
            waiting: VecDeque::new(),
            in_flight: None,
            batch: MAX_EVENTS,
            last_start: now,
            tickets: 0,
            checkpoints: 0,
            outcomes: Vec::new(),
            lease: Lease::Held,
            cancel_requested,
        }
    }

    /// Whether the worker still holds the job.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Whether the cancellation of the job was requested.
    pub fn cancel_requested(&self) -> bool {
        self.cancel_requested
    }

    /// The number of the claim.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether nothing waits for the service.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.in_flight.is_none()
    }

    /// Reports progress. It replaces progress that waits since the last durable event.
    pub fn progress(&mut self, progress: WorkerProgress) -> Result<(), Error> {
        let stage = progress.stage.clone();
        let json = written(&WorkerEvent::ProgressUpdate(progress))?;
        self.replace(Kind::Progress, stage, json, None);
        Ok(())
    }

    /// Stores a checkpoint of the stage `name`. It replaces a checkpoint that waits since the last durable event.
    pub fn checkpoint(&mut self, name: &str, state: &RawJson) -> Result<Ticket, Error> {
        let event = Checkpoint {
            r#type: "checkpoint",
            stage: name,
            number: self.checkpoints + 1,
            state,
        };
        let json = written(&event)?;
        self.checkpoints += 1;
        let ticket = self.ticket();
        self.replace(Kind::Checkpoint, name.to_owned(), json, Some(ticket));
        Ok(ticket)
    }

    /// Posts a durable event. Progress and a checkpoint of its stage that still wait are dropped: the event
    /// contains what they lead to.
    pub fn durable(&mut self, event: &WorkerEvent) -> Result<Ticket, Error> {
        let json = written(event)?;
        let ticket = self.ticket();
        let stage = event.stage().map(str::to_owned);
        if let WorkerEvent::StageComplete(_) = event {
            self.drop_waiting(|entry| entry.kind != Kind::Durable && entry.stage == stage);
        }
        self.push(Entry {
            kind: Kind::Durable,
            stage,
            json,
            ticket: Some(ticket),
        });
        Ok(ticket)
    }

    /// The body of the next post, if it is due.
    pub fn next_post(&mut self, now: Duration) -> Option<Bytes> {
        if self.next_tick().is_none_or(|at| at > now) {
            return None;
        }
        self.last_start = now;
        if let Some(in_flight) = &mut self.in_flight {
            in_flight.retry_at = None;
            return Some(in_flight.body.clone());
        }
        let count = self.batch.min(self.waiting.len());
        let entries: Vec<_> = self.waiting.drain(..count).collect();
        let events: Vec<&str> = entries.iter().map(|entry| entry.json.get()).collect();
        let body = format!(
            r#"{{"epoch":{},"after_seq":{},"events":[{}]}}"#,
            self.epoch,
            self.after_seq,
            events.join(",")
        );
        let body = Bytes::from(body);
        self.in_flight = Some(InFlight {
            body: body.clone(),
            entries,
            failures: 0,
            retry_at: None,
        });
        Some(body)
    }

    /// When [`Self::next_post`] has a body; none while a response is awaited, and once the job is lost or has
    /// ended.
    pub fn next_tick(&self) -> Option<Duration> {
        if !matches!(self.lease, Lease::Held) {
            return None;
        }
        if let Some(in_flight) = &self.in_flight {
            return in_flight.retry_at;
        }
        if self.waiting.iter().any(|it| it.kind != Kind::Progress) {
            return Some(self.last_start);
        }
        let interval = if self.waiting.is_empty() {
            HEARTBEAT
        } else {
            PROGRESS_INTERVAL
        };
        Some(self.last_start + interval)
    }

    /// The response to the last post, or the error that came instead of it.
    pub fn answered(&mut self, now: Duration, answer: Result<Accepted, Error>) {
        let Some(mut in_flight) = self.in_flight.take() else {
            return;
        };
        match answer {
            Ok(accepted) => self.accepted(in_flight.entries, &accepted),
            Err(error) if error.is_transient() || is_unreadable(&error) => {
                in_flight.failures += 1;
                let asked = error.rejection().and_then(|it| it.retry_after);
                let backoff = Backoff::REQUEST.wait(in_flight.failures, self.random.f64());
                in_flight.retry_at = Some(now + asked.unwrap_or_default().min(HEARTBEAT) + backoff);
                self.in_flight = Some(in_flight);
            }
            Err(error) => match error.code() {
                Some("job_already_finished") => {
                    self.fail(in_flight.entries, &error);
                    self.lease = Lease::Ended;
                }
                // An event is invalid, or cannot be applied to the job.
                Some(
                    "invalid_body"
                    | "invalid_json"
                    | "unknown_type"
                    | "unknown_stage"
                    | "body_too_large"
                    | "stage_finished"
                    | "not_cancelled"
                    | "artifact_not_uploaded"
                    | "too_many_artifacts",
                ) => self.rejected(in_flight.entries, &error),
                None if error.status() == Some(413) => self.rejected(in_flight.entries, &error),
                // The job has a newer claim, whose key replaces this worker's, or its log is another one.
                _ => {
                    self.fail(in_flight.entries, &error);
                    self.lease = Lease::Lost(error);
                }
            },
        }
    }

    /// The outcomes of events that were accepted or rejected since the last call.
    pub fn take_outcomes(&mut self) -> Vec<(Ticket, Result<(), Error>)> {
        std::mem::take(&mut self.outcomes)
    }

    fn accepted(&mut self, entries: Vec<Entry>, accepted: &Accepted) {
        self.after_seq = accepted.seq;
        self.cancel_requested |= accepted.cancel_requested;
        for entry in entries {
            self.outcomes
                .extend(entry.ticket.map(|ticket| (ticket, Ok(()))));
        }
        if self.waiting.is_empty() {
            self.batch = MAX_EVENTS;
        }
        if accepted.status.has_ended() {
            self.lease = Lease::Ended;
        }
    }

    /// The service has rejected one of the events. Alone, it is the rejected one; others are sent again, one
    /// by one. What the service has applied of them is not applied again.
    fn rejected(&mut self, entries: Vec<Entry>, error: &Error) {
        let is_alone = entries.len() <= 1;
        for entry in entries.into_iter().rev() {
            if is_alone {
                let outcome = entry.ticket.map(|ticket| (ticket, Err(error.clone())));
                self.outcomes.extend(outcome);
            } else {
                self.waiting.push_front(entry);
            }
        }
        self.batch = 1;
    }

    fn fail(&mut self, entries: Vec<Entry>, error: &Error) {
        for entry in entries.into_iter().chain(self.waiting.drain(..)) {
            let outcome = entry.ticket.map(|ticket| (ticket, Err(error.clone())));
            self.outcomes.extend(outcome);
        }
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    fn replace(&mut self, kind: Kind, stage: String, json: RawJson, ticket: Option<Ticket>) {
        let durable = self.waiting.iter().rposition(|it| it.kind == Kind::Durable);
        let start = durable.map_or(0, |index| index + 1);
        let mut index = 0;
        self.drop_waiting(|entry| {
            index += 1;
            index > start && entry.kind == kind
        });
        self.push(Entry {
            kind,
            stage: Some(stage),
            json,
            ticket,
        });
    }

    fn push(&mut self, entry: Entry) {
        match &self.lease {
            Lease::Held => self.waiting.push_back(entry),
            Lease::Lost(error) => {
                let outcome = entry.ticket.map(|ticket| (ticket, Err(error.clone())));
                self.outcomes.extend(outcome);
            }
            // What would be reported of a job that has ended has no effect.
            Lease::Ended => self
                .outcomes
                .extend(entry.ticket.map(|ticket| (ticket, Ok(())))),
        }
    }

    /// Drops events that later ones replace; their outcome is that they are no longer needed.
    fn drop_waiting(&mut self, mut is_replaced: impl FnMut(&Entry) -> bool) {
        let outcomes = &mut self.outcomes;
        self.waiting.retain(|entry| {
            let keep = !is_replaced(entry);
            if !keep {
                outcomes.extend(entry.ticket.map(|ticket| (ticket, Ok(()))));
            }
            keep
        });
    }
}

/// Whether a proxy may have sent the response: the post is repeated, because it may have had an effect.
fn is_unreadable(error: &Error) -> bool {
    matches!(error, Error::UnexpectedResponse { .. })
}

fn written(event: &impl Serialize) -> Result<RawJson, Error> {
    RawJson::of(event).map_err(|error| Error::Unwritable {
        what: "the event",
        cause: error.to_string(),
    })
}

#[cfg(test)]
mod tests;
