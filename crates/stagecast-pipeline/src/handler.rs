//! Receives job messages and runs their jobs.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use granted_aws::{Environment, Objects, Queues, SendError};
use stagecast_contract::queues::{JobMessage, JobQueue};
use stagecast_core::{
    batch,
    clock::Clock,
    delivery::Stores,
    pipeline::{RunError, RunOutcome, Runner, Runs},
};
use tokio::time::Instant;
use tracing::Instrument as _;
use typed_contract::{
    grants::{ChangeMessageVisibility, Granted},
    queues::MAX_DELAY_SECONDS,
};

use crate::{
    Pipeline,
    job_message::{self, WatchdogMessage},
    limit::RESERVED,
};

/// Time that a stage which was asked to stop has to end its thread, before the process ends.
const THREAD_GRACE: Duration = Duration::from_secs(8);

/// The grants of a function that runs jobs. A function that is declared with `pipeline_function!` has them.
pub trait RunsJobs: Runs + Granted<ChangeMessageVisibility<JobQueue>> {}

impl<F> RunsJobs for F where F: Runs + Granted<ChangeMessageVisibility<JobQueue>> {}

/// Runs the jobs of the queue in the function `F`.
pub struct Handler<F> {
    runner: Runner<F>,
    queues: Queues<F>,
    clock: Clock,
}

/// A job message failed; it stays on the queue.
#[derive(Debug, thiserror::Error)]
enum JobMessageError {
    #[error("the message on the queue is not a job message: {0}")]
    Invalid(#[from] serde_json::Error),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Send(#[from] SendError),
}

/// Stages did not stop when they were asked to. Their jobs have ended or are on the queue again.
#[derive(Debug, thiserror::Error)]
#[error(
    "the threads of these stages still run although they were asked to stop: {}; the process ends, \
     so that they take no processor time from other jobs. Let the stages call \
     progress.check_cancelled() at least once a second",
    stages.join(", ")
)]
pub struct StuckStages {
    /// The names of the stages.
    pub stages: Vec<&'static str>,
}

impl<F: RunsJobs> Handler<F> {
    /// A handler for the stack that `environment` describes. It runs the pipeline that `build` returns.
    /// Fails if `build` fails, or if the system cannot create a thread for the stages.
    ///
    /// The stages' requests use the connections of `stages_config`, and only these: see [`Runner::new`].
    pub fn new<Output, E: From<std::io::Error>>(
        config: &granted_aws::Aws,
        stages_config: &granted_aws::Aws,
        environment: &Environment<F>,
        clock: Clock,
        build: impl FnOnce() -> Result<Pipeline<Output, F>, E>,
    ) -> Result<Self, E> {
        let stores = Stores::new(config, environment, clock.clone());
        let objects = Objects::new(config, environment);
        let input_objects = Objects::new(stages_config, environment);
        let queues = stores.queues.clone();
        Ok(Self {
            runner: Runner::new(Arc::new(stores), objects, input_objects, build)?,
            queues,
            clock,
        })
    }

    /// Runs the jobs of a batch, at most until shortly before `deadline`. After an error, the caller ends
    /// the process: the thread of a stage cannot be stopped, and would slow down the next jobs.
    pub async fn handle(
        &self,
        event: SqsEvent,
        deadline: SystemTime,
    ) -> Result<SqsBatchResponse, StuckStages> {
        let left = deadline.duration_since(now()).unwrap_or_default();
        let end = Instant::now() + left;
        let deadline = end - RESERVED.min(left / 2);
        let response = batch::handle_each(event, async |message: &SqsMessage| {
            let result = Box::pin(self.run(message, deadline)).await;
            if let Err(error) = &result {
                let id = message.message_id.as_deref();
                tracing::error!(message_id = id, %error, "a run failed; its job message stays on the queue");
                job_message::retry_later(&self.queues, message).await;
            }
            result
        })
        .await;
        let left = end.saturating_duration_since(Instant::now());
        let stages = self.runner.stuck_stages(THREAD_GRACE.min(left / 2)).await;
        if stages.is_empty() {
            Ok(response)
        } else {
            Err(StuckStages { stages })
        }
    }

    async fn run(&self, message: &SqsMessage, deadline: Instant) -> Result<(), JobMessageError> {
        let job_message: JobMessage =
            serde_json::from_str(message.body.as_deref().unwrap_or_default())?;
        let span = tracing::info_span!(
            "run",
            job_id = %job_message.job_id,
            request_id = tracing::field::Empty,
            correlation_id = tracing::field::Empty,
        );
        // Before the job is claimed, so that the message of a killed run is visible soon after the lease
        // has expired.
        job_message::shorten_visibility(&self.queues, message).await;
        if job_message.from_watchdog {
            let job = self.runner.load(&job_message.job_id).await?;
            match WatchdogMessage::of(
                job.as_ref(),
                job_message::receive_count(message),
                self.clock.now(),
            ) {
                WatchdogMessage::Run => {}
                WatchdogMessage::Drop => return Ok(()),
                WatchdogMessage::Redeliver => {
                    return Ok(self.runner.redeliver(&job_message.job_id).await?);
                }
            }
        }
        let run = self.runner.run(&job_message.job_id, deadline);
        let outcome = tokio::select! {
            outcome = run.instrument(span.clone()) => outcome?,
            never = job_message::extend_visibility(&self.queues, message).instrument(span.clone()) => match never {},
        };
        span.in_scope(|| tracing::info!(?outcome, "the run has ended"));
        if let RunOutcome::Held { until } = outcome
            && !job_message.from_watchdog
        {
            // The other run may be dead, so the message is sent again for when its lease has expired. A
            // message of the watchdog is not: the watchdog checks the job again itself.
            let wait = (until - self.clock.now().epoch_seconds() + 1).clamp(1, MAX_DELAY_SECONDS);
            let delay = i32::try_from(wait).unwrap_or(1);
            self.queues.send::<JobQueue>(&job_message, delay).await?;
        }
        Ok(())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the deadline of Lambda is in system time"
)]
fn now() -> SystemTime {
    SystemTime::now()
}
