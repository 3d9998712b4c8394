//! From a ticket on the queue to a run of its job.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use contract::{
    functions::PipelineFunction,
    queues::{JobMessage, JobQueue, MAX_DELAY_SECONDS},
};
use handlers_core::{
    aws::{Environment, Objects, Queues, SendError},
    clock::Clock,
    delivery::Stores,
    pipeline::{Pipeline, RunError, RunOutcome, Runner},
};
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::ticket::{self, Spare};

/// What is left of an invocation for handing a job back and for sending what is on its way.
const MARGIN: Duration = Duration::from_secs(20);

/// How long a stage that did not stop in time may take to end its thread before the process ends.
const LINGER: Duration = Duration::from_secs(8);

/// Runs the jobs that are on the queue.
pub struct Handler {
    runner: Runner<PipelineFunction>,
    queues: Queues<PipelineFunction>,
    clock: Clock,
}

/// A ticket could not be used; it stays on its queue.
#[derive(Debug, thiserror::Error)]
enum TicketError {
    #[error("the message on the queue is no job ticket: {0}")]
    Ticket(#[from] serde_json::Error),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Send(#[from] SendError),
}

/// Stages did not stop when they were asked to. Their jobs have ended, or are back on the queue.
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

impl Handler {
    /// A handler for the stack that the environment describes, running the pipeline that `build`
    /// answers with. An error is `build`'s, or the system's, which gives no thread for the stages.
    pub fn new<Output, E: From<std::io::Error>>(
        config: &aws_config::SdkConfig,
        environment: &Environment<PipelineFunction>,
        clock: Clock,
        build: impl FnOnce() -> Result<Pipeline<Output>, E>,
    ) -> Result<Self, E> {
        let stores = Stores::new(config, environment, clock.clone());
        let objects = Objects::new(config, environment);
        let queues = stores.queues.clone();
        Ok(Self {
            runner: Runner::new(Arc::new(stores), objects, build)?,
            queues,
            clock,
        })
    }

    /// Runs the jobs of a batch, until shortly before `deadline` at the latest. An error is to end
    /// the process: a stage's thread cannot be stopped, and would slow down the jobs after it.
    pub async fn handle(
        &self,
        event: SqsEvent,
        deadline: SystemTime,
    ) -> Result<SqsBatchResponse, StuckStages> {
        let left = deadline.duration_since(now()).unwrap_or_default();
        let end = Instant::now() + left;
        let deadline = end - MARGIN.min(left / 2);
        let mut response = SqsBatchResponse::default();
        for message in event.records {
            let id = message.message_id.clone().unwrap_or_default();
            if let Err(error) = self.run(&message, deadline).await {
                tracing::error!(message_id = id, %error, "a run failed; its ticket stays on the queue");
                ticket::retry_later(&self.queues, &message).await;
                let mut failure = BatchItemFailure::default();
                failure.item_identifier = id;
                response.batch_item_failures.push(failure);
            }
        }
        let left = end.saturating_duration_since(Instant::now());
        let stages = self.runner.stuck_stages(LINGER.min(left / 2)).await;
        if stages.is_empty() {
            Ok(response)
        } else {
            Err(StuckStages { stages })
        }
    }

    async fn run(&self, message: &SqsMessage, deadline: Instant) -> Result<(), TicketError> {
        let ticket: JobMessage = serde_json::from_str(message.body.as_deref().unwrap_or_default())?;
        let span = tracing::info_span!(
            "run",
            job_id = %ticket.job_id,
            request_id = tracing::field::Empty,
            correlation_id = tracing::field::Empty,
        );
        // Hidden for a short time before the job is claimed: a job whose run is cut short has its
        // ticket back soon after the lease.
        ticket::hide_first(&self.queues, message).await;
        if ticket.from_watchdog {
            let job = self.runner.load(&ticket.job_id).await?;
            match ticket::spare(job.as_ref(), ticket::receives(message), self.clock.now()) {
                Spare::Needed => {}
                Spare::Dropped => return Ok(()),
                Spare::Unsent => return Ok(self.runner.redeliver(&ticket.job_id).await?),
            }
        }
        let run = self.runner.run(&ticket.job_id, deadline);
        let outcome = tokio::select! {
            outcome = run.instrument(span.clone()) => outcome?,
            never = ticket::extend_visibility(&self.queues, message).instrument(span.clone()) => match never {},
        };
        span.in_scope(|| tracing::info!(?outcome, "the run is over"));
        if let RunOutcome::Held { until } = outcome
            && !ticket.from_watchdog
        {
            // The other run may be dead: look again when its lease has ended. A ticket of the
            // watchdog need not: the watchdog itself looks again.
            let wait = (until - self.clock.now().epoch_seconds() + 1).clamp(1, MAX_DELAY_SECONDS);
            let delay = i32::try_from(wait).unwrap_or(1);
            self.queues.send::<JobQueue>(&ticket, delay).await?;
        }
        Ok(())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "Lambda gives the deadline in the system's time"
)]
fn now() -> SystemTime {
    SystemTime::now()
}
