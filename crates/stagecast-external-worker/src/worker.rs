//! Claims jobs and runs them.

use std::{collections::HashMap, rc::Rc, time::Duration};

use stagecast_client::{Error, JobId, WorkerKey, http::HttpClient};
use stagecast_contract::ids::WorkerToken;
use tokio::{
    sync::mpsc,
    task::{JoinSet, LocalSet},
    time::Instant,
};
use tracing::Instrument as _;

use crate::{
    claim::{self, ClaimBody, Claimed, QueueClaim},
    listener::{self, Heard, ListenTo},
    runner::{LeasedJob, Outcome, RunJobs},
    schedule::ClaimSchedule,
    shutdown::Shutdown,
};

/// The interval of polls after the connection of the listener is lost.
const POLL_AFTER_LOSS: Duration = Duration::from_secs(5);
/// The wait before a job that cannot be claimed yet is claimed again, unless the service names one.
const HELD_WAIT: Duration = Duration::from_secs(5);

/// A worker of one queue, or of one job.
#[derive(Clone, Debug)]
pub struct Worker {
    http: HttpClient,
    id: String,
    concurrency: usize,
    websocket_url: Option<String>,
    listens: bool,
    shutdown: Shutdown,
}

impl Worker {
    /// A worker for the stack whose HTTP API is at `url`, which runs one job at a time.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidUrl`].
    pub fn new(url: &str) -> Result<Self, Error> {
        Ok(Self {
            http: HttpClient::new(url)?,
            id: format!("rust-{:016x}", fastrand::u64(..)),
            concurrency: 1,
            websocket_url: None,
            listens: true,
            shutdown: Shutdown::with_grace(Duration::from_secs(20)),
        })
    }

    /// The name of this worker, unique among all: 1 to 64 letters, digits, `_` and `-`. Random without it.
    #[must_use]
    pub fn worker_id(mut self, worker_id: impl Into<String>) -> Self {
        self.id = worker_id.into();
        self
    }

    /// The number of jobs that run at the same time, at least 1.
    #[must_use]
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency.max(1);
        self
    }

    /// The address of the WebSocket API, over which the worker is woken when a job is available. Without it, the
    /// worker uses the one that the service names in its answer to the first claim.
    #[must_use]
    pub fn websocket_url(mut self, url: Option<String>) -> Self {
        self.websocket_url = url;
        self
    }

    /// Whether the worker listens for jobs over the WebSocket API; true by default. If not, it polls.
    #[must_use]
    pub fn listens(mut self, listens: bool) -> Self {
        self.listens = listens;
        self
    }

    /// Ends the worker.
    #[must_use]
    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.shutdown = shutdown;
        self
    }

    /// Claims jobs from a queue and runs them until the [shutdown](Self::shutdown). Every end of a job is passed to
    /// `ended`. Run it on a runtime of one thread, which stages do not use.
    ///
    /// # Errors
    ///
    /// The service rejects the token or the queue. Jobs that run are finished or handed back before this returns.
    pub async fn run<R: RunJobs>(
        self,
        queue: &str,
        token: &WorkerToken,
        runner: R,
        ended: impl FnMut(&JobId, &Outcome),
    ) -> Result<(), Error> {
        let runner = Rc::new(runner);
        let tasks = LocalSet::new();
        let loop_ = self.claim_loop(queue, token, &runner, ended);
        tasks.run_until(Box::pin(loop_)).await
    }

    async fn claim_loop<R: RunJobs>(
        &self,
        queue: &str,
        token: &WorkerToken,
        runner: &Rc<R>,
        mut ended: impl FnMut(&JobId, &Outcome),
    ) -> Result<(), Error> {
        let started = Instant::now();
        let stages = runner.stages();
        let mut schedule = ClaimSchedule::new(self.concurrency, fastrand::u64(..), Duration::ZERO);
        let (heard, mut reports) = mpsc::unbounded_channel();
        let mut listening = Listening::new(self, queue, token, heard);
        listening.start(self.websocket_url.as_deref());
        let mut jobs = Jobs::default();
        let mut claim = None;
        let result = loop {
            if claim.is_none()
                && schedule
                    .next_claim()
                    .is_some_and(|at| at <= started.elapsed())
            {
                let listener = schedule.sent();
                claim = Some(Box::pin(self.claim(queue, token, &stages, listener)));
            }
            let tick = async {
                match schedule.next_claim() {
                    Some(at) => tokio::time::sleep_until(started + at).await,
                    None => std::future::pending().await,
                }
            };
            let claimed = async {
                match &mut claim {
                    Some(claim) => claim.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.shutdown.requested() => break Ok(()),
                answer = claimed => {
                    claim = None;
                    if let Ok(answer) = &answer {
                        listening.start(answer.websocket_url());
                    }
                    match answer {
                        Ok(QueueClaim::Claimed(claimed)) => {
                            schedule.claimed(started.elapsed());
                            jobs.start(self, runner, *claimed);
                        }
                        Ok(QueueClaim::Empty { retry_after, .. }) => {
                            schedule.empty(started.elapsed(), retry_after);
                        }
                        Err(error) if may_pass(&error) => {
                            tracing::warn!(queue, %error, "a claim has failed; it is repeated");
                            let wait = error.rejection().and_then(|it| it.retry_after);
                            schedule.failed(started.elapsed(), wait);
                        }
                        Err(error) => break Err(error),
                    }
                }
                Some((job_id, outcome)) = jobs.next() => {
                    log(&job_id, &outcome);
                    ended(&job_id, &outcome);
                    schedule.job_ended(started.elapsed());
                }
                Some(heard) = reports.recv() => match heard {
                    Heard::Listening(listener) => schedule.listening(started.elapsed(), listener),
                    Heard::JobAvailable => schedule.job_available(started.elapsed()),
                    Heard::Lost => schedule.not_listening(started.elapsed(), POLL_AFTER_LOSS),
                    Heard::Rejected(error) => break Err(error),
                    Heard::Unsupported => {
                        tracing::warn!("the service does not know `listen`; the worker polls");
                    }
                },
                () = tick => {}
            }
        };
        listening.tasks.shutdown().await;
        // A claim in flight may have a job, whose lease would hold it for 30 seconds.
        if let Some(claim) = claim
            && let Ok(QueueClaim::Claimed(claimed)) = claim.await
        {
            hand_back(&self.http, *claimed).await;
        }
        if result.is_err() {
            self.shutdown.request();
        }
        while let Some((job_id, outcome)) = jobs.next().await {
            log(&job_id, &outcome);
            ended(&job_id, &outcome);
        }
        result
    }

    async fn claim(
        &self,
        queue: &str,
        token: &WorkerToken,
        stages: &[String],
        listener: Option<String>,
    ) -> Result<QueueClaim, Error> {
        let body = ClaimBody {
            stages,
            worker_id: &self.id,
            listener: listener.as_deref(),
        };
        claim::claim_from_queue(&self.http, queue, token, &body).await
    }

    /// Claims one job by its own key, and runs it. Waits while another worker holds it, and until it is due.
    ///
    /// # Errors
    ///
    /// The service rejects the claim.
    pub async fn run_job<R: RunJobs>(
        self,
        job_id: &JobId,
        key: &WorkerKey,
        runner: R,
    ) -> Result<Outcome, Error> {
        let stages = runner.stages();
        let body = ClaimBody {
            stages: &stages,
            worker_id: &self.id,
            listener: None,
        };
        let mut failures = 0;
        let claimed = loop {
            let error = tokio::select! {
                answer = claim::claim_job(&self.http, job_id, key, &body) => match answer {
                    Ok(claimed) => break claimed,
                    Err(error) => error,
                },
                () = self.shutdown.requested() => return Ok(Outcome::Released),
            };
            let wait = match error.code() {
                Some("job_held" | "not_due" | "awaiting_input") => wait_of(&error),
                Some("job_already_finished") => return Ok(Outcome::Ended),
                _ if may_pass(&error) => {
                    failures += 1;
                    let asked = error.rejection().and_then(|it| it.retry_after);
                    let backoff = stagecast_client::Backoff::REQUEST;
                    asked.unwrap_or_default() + backoff.wait(failures, fastrand::f64())
                }
                _ => return Err(error),
            };
            tracing::info!(%job_id, %error, "the job cannot be claimed yet");
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.shutdown.requested() => return Ok(Outcome::Released),
            }
        };
        let span = tracing::info_span!("job", %job_id);
        let job = LeasedJob::new(self.http.clone(), key.clone(), claimed);
        let run = runner.run(job, self.shutdown.clone()).instrument(span);
        let outcome = LocalSet::new().run_until(Box::pin(run)).await;
        log(job_id, &outcome);
        Ok(outcome)
    }
}

/// The listener of a worker, which starts once its address is known: from the worker's options, or from the answer
/// to a claim.
struct Listening<'a> {
    worker: &'a Worker,
    queue: &'a str,
    token: &'a WorkerToken,
    heard: mpsc::UnboundedSender<Heard>,
    tasks: JoinSet<()>,
    has_started: bool,
}

impl<'a> Listening<'a> {
    fn new(
        worker: &'a Worker,
        queue: &'a str,
        token: &'a WorkerToken,
        heard: mpsc::UnboundedSender<Heard>,
    ) -> Self {
        Self {
            worker,
            queue,
            token,
            heard,
            tasks: JoinSet::new(),
            has_started: false,
        }
    }

    /// Listens at the address, unless the worker listens already or is not to listen.
    fn start(&mut self, url: Option<&str>) {
        if self.has_started || !self.worker.listens {
            return;
        }
        let Some(url) = url else { return };
        self.has_started = true;
        let to = ListenTo {
            http: self.worker.http.clone(),
            url: url.to_owned(),
            queue: self.queue.to_owned(),
            token: self.token.clone(),
        };
        self.tasks.spawn(listener::listen(to, self.heard.clone()));
    }
}

/// The running jobs.
#[derive(Default)]
struct Jobs {
    tasks: JoinSet<Outcome>,
    ids: HashMap<tokio::task::Id, JobId>,
}

impl Jobs {
    /// Runs a claimed job on the local set.
    fn start<R: RunJobs>(&mut self, worker: &Worker, runner: &Rc<R>, mut claimed: Claimed) {
        let job_id = claimed.job_id.clone();
        let Some(key) = claimed.worker_key.take() else {
            // Without its key, nothing can be done about the job: its lease ends.
            let task = self.tasks.spawn_local(async {
                Outcome::Abandoned("the claim has no worker_key".to_owned())
            });
            self.ids.insert(task.id(), job_id);
            return;
        };
        let attempt = claimed.attempt;
        tracing::info!(%job_id, attempt, epoch = claimed.epoch, "claimed");
        let job = LeasedJob::new(worker.http.clone(), key, claimed);
        let (runner, shutdown) = (Rc::clone(runner), worker.shutdown.clone());
        let span = tracing::info_span!("job", %job_id);
        let run = async move { runner.run(job, shutdown).await };
        let task = self.tasks.spawn_local(Box::pin(run.instrument(span)));
        self.ids.insert(task.id(), job_id);
    }

    /// The next job that has ended; none if none runs. Cancel-safe.
    async fn next(&mut self) -> Option<(JobId, Outcome)> {
        let (id, outcome) = match self.tasks.join_next_with_id().await? {
            Ok((id, outcome)) => (id, outcome),
            Err(error) => (error.id(), Outcome::Abandoned(error.to_string())),
        };
        // Every task has an entry.
        self.ids.remove(&id).map(|job_id| (job_id, outcome))
    }
}

async fn hand_back(http: &HttpClient, mut claimed: Claimed) {
    let Some(key) = claimed.worker_key.take() else {
        return;
    };
    let job_id = claimed.job_id.clone();
    let job = LeasedJob::new(http.clone(), key, claimed);
    if let Err(error) = job.lease.release(Duration::ZERO).await {
        tracing::warn!(%job_id, %error, "a job could not be handed back; its lease ends in 30 s");
    }
}

/// Whether a claim may succeed later. The response of a proxy is treated as that of a faulty service.
fn may_pass(error: &Error) -> bool {
    error.is_transient() || matches!(error, Error::UnexpectedResponse { .. })
}

/// The wait that a refused claim names.
fn wait_of(error: &Error) -> Duration {
    let rejection = error.rejection();
    let seconds = rejection.and_then(|it| it.details.get("retry_after_seconds")?.as_u64());
    let wait = seconds.map_or(HELD_WAIT, Duration::from_secs);
    wait + Duration::from_secs_f64(fastrand::f64())
}

fn log(job_id: &JobId, outcome: &Outcome) {
    match outcome {
        Outcome::Completed => tracing::info!(%job_id, "completed"),
        Outcome::Failed(error) => {
            tracing::warn!(%job_id, code = error.code, message = error.message, "failed");
        }
        Outcome::Cancelled => tracing::info!(%job_id, "cancelled"),
        Outcome::Ended => tracing::info!(%job_id, "ended by the service"),
        Outcome::Lost(error) => tracing::warn!(%job_id, %error, "another worker has the job"),
        Outcome::Released => tracing::info!(%job_id, "handed back"),
        Outcome::Abandoned(cause) => {
            tracing::error!(%job_id, cause, "abandoned; another claim continues it");
        }
    }
}
