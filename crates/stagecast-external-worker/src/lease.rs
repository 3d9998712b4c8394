//! The lease of a claimed job: renews it, and posts what happens.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use raw_json::RawJson;
use stagecast_client::{
    Error, JobId, WorkerKey,
    http::{HttpClient, Request},
    protocol::{Accepted, Lease as LeaseState, Posts, Ticket},
};
use stagecast_contract::worker::{WorkerEvent, WorkerProgress};
use tokio::{
    sync::{Notify, oneshot, watch},
    task::JoinHandle,
    time::Instant,
};

use crate::claim::{self, Claimed};

/// Time for the response to a post: a lost one is repeated well before the lease of 30 seconds ends.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(8);
/// Attempts to hand a job back, and the wait between them. The lease ends without it, too.
const RELEASE_ATTEMPTS: u32 = 4;
const RELEASE_WAIT: Duration = Duration::from_millis(500);
/// How long a release waits for the post in flight.
const LAST_POST: Duration = Duration::from_secs(10);

/// Why a worker has to stop a job.
#[derive(Clone, Debug)]
pub enum Interruption {
    /// A client has cancelled the job: post `job_cancelled`.
    Cancelled,
    /// The job has a newer claim, or its log does not match. Nothing may be posted.
    Lost(Error),
    /// The job has ended.
    Ended,
}

/// The lease of a claimed job. A task renews it every 10 seconds, also while a stage computes, until the lease is
/// dropped or released.
#[derive(Debug)]
pub struct Lease {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    http: HttpClient,
    job_id: JobId,
    key: WorkerKey,
    started: Instant,
    state: Mutex<State>,
    /// Wakes the task.
    changed: Notify,
    interruption: watch::Sender<Option<Interruption>>,
}

#[derive(Debug)]
struct State {
    posts: Posts,
    waiting: HashMap<Ticket, oneshot::Sender<Result<(), Error>>>,
    is_closing: bool,
}

impl Lease {
    /// Starts to renew the lease of a claim, on the current tokio runtime.
    pub fn new(http: HttpClient, key: WorkerKey, claimed: &Claimed) -> Self {
        let Claimed {
            job_id,
            epoch,
            seq,
            cancel_requested,
            ..
        } = claimed;
        let posts = Posts::new(
            *epoch,
            *seq,
            *cancel_requested,
            fastrand::u64(..),
            Duration::ZERO,
        );
        let interruption = cancel_requested.then_some(Interruption::Cancelled);
        let shared = Arc::new(Shared {
            http,
            job_id: job_id.clone(),
            key,
            started: Instant::now(),
            state: Mutex::new(State {
                posts,
                waiting: HashMap::new(),
                is_closing: false,
            }),
            changed: Notify::new(),
            interruption: watch::Sender::new(interruption),
        });
        let task = tokio::spawn(run(Arc::clone(&shared)));
        Self { shared, task }
    }

    /// The number of the claim.
    pub fn epoch(&self) -> u64 {
        self.shared.lock().posts.epoch()
    }

    /// Why the job has to stop, if it has to.
    pub fn interruption(&self) -> Option<Interruption> {
        self.shared.interruption.borrow().clone()
    }

    /// Waits until the job has to stop.
    pub async fn interrupted(&self) -> Interruption {
        let mut receiver = self.shared.interruption.subscribe();
        let changed = receiver.wait_for(Option::is_some).await;
        // The sender lives as long as this lease.
        let interruption = changed.ok().and_then(|value| value.clone());
        interruption.unwrap_or(Interruption::Ended)
    }

    /// Reports progress. It returns at once; the latest progress is posted, at most 4 times a second.
    ///
    /// # Errors
    ///
    /// [`Error::Unwritable`].
    pub fn progress(&self, progress: WorkerProgress) -> Result<(), Error> {
        self.shared.change(|state| state.posts.progress(progress))
    }

    /// Stores a checkpoint of the stage `name`, and waits until it is stored.
    ///
    /// # Errors
    ///
    /// The service rejects it, or the job is lost.
    pub async fn checkpoint(&self, name: &str, content: &RawJson) -> Result<(), Error> {
        let outcome = self.shared.change(|it| {
            let ticket = it.posts.checkpoint(name, content)?;
            Ok::<_, Error>(it.outcome_of(ticket))
        })?;
        received(outcome).await
    }

    /// Posts durable events in this order, and waits until all are logged.
    ///
    /// # Errors
    ///
    /// The service rejects one of them, or the job is lost or has ended.
    pub async fn post(&self, events: &[WorkerEvent]) -> Result<(), Error> {
        let outcomes = self.shared.change(|state| {
            let tickets = events.iter().map(|event| state.posts.durable(event));
            let tickets = tickets.collect::<Result<Vec<_>, _>>()?;
            let outcomes = tickets.into_iter().map(|ticket| state.outcome_of(ticket));
            Ok::<_, Error>(outcomes.collect::<Vec<_>>())
        })?;
        for outcome in outcomes {
            received(outcome).await?;
        }
        Ok(())
    }

    /// Hands the job back: another claim continues it after `delay`, and the attempt does not count. What waits to
    /// be posted is dropped.
    ///
    /// # Errors
    ///
    /// The service could not be reached, or does not know releases: the lease ends after 30 seconds.
    pub async fn release(mut self, delay: Duration) -> Result<(), Error> {
        self.shared.change(|state| state.is_closing = true);
        // The answer to the post in flight has no effect on the release.
        let _ = tokio::time::timeout(LAST_POST, &mut self.task).await;
        if let Some(Interruption::Lost(_) | Interruption::Ended) = self.interruption() {
            return Ok(());
        }
        let (http, job_id, key) = (&self.shared.http, &self.shared.job_id, &self.shared.key);
        let epoch = self.epoch();
        let mut attempt = 1;
        loop {
            match claim::release(http, job_id, key, epoch, delay).await {
                Ok(()) => return Ok(()),
                // It is handed back already, or has ended.
                Err(error)
                    if matches!(
                        error.code(),
                        Some("lease_lost" | "job_already_finished" | "forbidden")
                    ) =>
                {
                    return Ok(());
                }
                Err(error) if attempt == RELEASE_ATTEMPTS || !error.is_transient() => {
                    return Err(error);
                }
                Err(_) => tokio::time::sleep(RELEASE_WAIT * attempt).await,
            }
            attempt += 1;
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    fn outcome_of(&mut self, ticket: Ticket) -> oneshot::Receiver<Result<(), Error>> {
        let (sender, receiver) = oneshot::channel();
        self.waiting.insert(ticket, sender);
        receiver
    }

    /// Passes on the outcomes of events.
    fn settle(&mut self) {
        for (ticket, outcome) in self.posts.take_outcomes() {
            if let Some(waiting) = self.waiting.remove(&ticket) {
                // The caller may have stopped waiting.
                let _ = waiting.send(outcome);
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = {
            let mut state = self.lock();
            let result = change(&mut state);
            state.settle();
            result
        };
        self.changed.notify_one();
        result
    }

    /// Records the answer to a post.
    fn answered(&self, answer: Result<Accepted, Error>) {
        if let Err(error) = &answer {
            tracing::debug!(job_id = %self.job_id, %error, "a post was not accepted");
        }
        let interruption = {
            let mut state = self.lock();
            state.posts.answered(self.now(), answer);
            state.settle();
            match state.posts.lease() {
                LeaseState::Held if state.posts.cancel_requested() => Some(Interruption::Cancelled),
                LeaseState::Held => None,
                LeaseState::Lost(error) => Some(Interruption::Lost(error.clone())),
                LeaseState::Ended => Some(Interruption::Ended),
            }
        };
        if interruption.is_some() {
            self.interruption.send_replace(interruption);
        }
    }
}

async fn received(outcome: oneshot::Receiver<Result<(), Error>>) -> Result<(), Error> {
    // The sender is dropped only with the lease.
    outcome.await.unwrap_or_else(|_| {
        Err(Error::Unreachable {
            url: String::new(),
            cause: "the lease was dropped".to_owned(),
        })
    })
}

/// Sends the posts, one at a time.
async fn run(shared: Arc<Shared>) {
    loop {
        let (post, tick) = {
            let mut state = shared.lock();
            if state.is_closing {
                return;
            }
            (state.posts.next_post(shared.now()), state.posts.next_tick())
        };
        let Some(body) = post else {
            let changed = shared.changed.notified();
            match tick {
                Some(at) => {
                    // A later event may be due earlier.
                    let _ = tokio::time::timeout_at(shared.started + at, changed).await;
                }
                None => changed.await,
            }
            continue;
        };
        let path = format!("/v1/jobs/{}/events", shared.job_id.as_str());
        let request = Request::post(path, body).bearer(shared.key.reveal());
        let http = &shared.http;
        let answer = claim::within(RESPONSE_TIMEOUT, http.base(), http.send(request)).await;
        shared.answered(answer.and_then(|response| response.json()));
    }
}
