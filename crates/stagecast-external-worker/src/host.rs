//! The host of a run: reports over the HTTP API under a lease.

use std::{collections::HashSet, ops::ControlFlow, sync::Arc, time::Duration};

use raw_json::RawJson;
use serde::{Deserialize, Serialize};
use stage_pipeline::{
    Artifact, ArtifactError, MAX_ARTIFACTS, ProgressUpdate, StageCheckpoint, StageRetry,
    host::{ArtifactStore, FinishedStage, Host, Intervals},
};
use stagecast_client::{Error, JobId};
use stagecast_contract::{
    limits::{MAX_TEXT_BYTES, MAX_UNIT_BYTES, truncate_with_ellipsis},
    messages,
    worker::{WorkerEvent, WorkerJobComplete, WorkerProgress, WorkerStageComplete},
};
use tracing::Span;

use crate::{
    artifacts::described,
    lease::{Interruption, Lease},
    shutdown::Shutdown,
};

const INTERVALS: Intervals = Intervals {
    report: Duration::from_millis(250),
    // A poll asks no server.
    poll: Duration::from_millis(500),
    // The lease sends its own heartbeats.
    heartbeat: Duration::from_mins(1),
    checkpoint: Duration::from_secs(1),
};

/// Why a run stops before its pipeline has ended.
#[derive(Debug)]
pub(crate) enum Stop {
    /// A client has cancelled the job. A stage may have been running.
    Cancelled { is_running: bool },
    /// The job has a newer claim.
    Lost(Error),
    /// The job has ended.
    Ended,
    /// The service rejects the results of the stage.
    Rejected(Error),
    /// The worker has been asked to stop: the job is handed back.
    Shutdown,
}

/// The checkpoint of a stage as it is stored. Another worker may have stored only the state.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredCheckpoint {
    pub(crate) checkpoint: StageCheckpoint,
    /// The files that the stage has attached before.
    #[serde(default)]
    pub(crate) artifacts: Vec<messages::Artifact>,
}

/// Reports a run for as long as it holds the lease.
pub(crate) struct WorkerHost<'a> {
    pub(crate) job_id: &'a JobId,
    pub(crate) lease: &'a Lease,
    pub(crate) shutdown: &'a Shutdown,
    pub(crate) store: Arc<dyn ArtifactStore>,
    /// Whether the service computes the overall progress as the pipeline does. Then it estimates the remaining
    /// time from earlier jobs.
    pub(crate) has_equal_weights: bool,
    /// The files of the running stage, which are listed at its end.
    pub(crate) artifacts: Vec<messages::Artifact>,
    /// The names of all files of the job.
    pub(crate) names: HashSet<String>,
}

impl WorkerHost<'_> {
    fn check(&self) -> ControlFlow<Stop> {
        match self.lease.interruption() {
            None => ControlFlow::Continue(()),
            Some(interruption) => ControlFlow::Break(stop_of(interruption)),
        }
    }

    fn report(&self, update: &ProgressUpdate) {
        let unit = |unit: &str| {
            let unit = truncate_with_ellipsis(unit.to_owned(), MAX_UNIT_BYTES);
            (!unit.is_empty()).then_some(unit)
        };
        let count = update.count.as_ref();
        let message = update.message.clone().into_owned();
        let is_own = !self.has_equal_weights;
        let progress = WorkerProgress {
            stage: update.stage.to_owned(),
            progress: update.percent,
            message: truncate_with_ellipsis(message, MAX_TEXT_BYTES),
            overall_progress: is_own.then_some(update.overall_percent),
            estimated_seconds_remaining: update.remaining_seconds.filter(|_| is_own),
            completed: count.map(|count| count.completed),
            total: count.and_then(|count| count.total),
            unit: count.and_then(|count| unit(&count.unit)),
            indeterminate: update.indeterminate,
            attempt: None,
            max_attempts: None,
            retry_at: None,
        };
        if let Err(error) = self.lease.progress(progress) {
            tracing::warn!(%error, "progress could not be reported");
        }
    }

    /// Waits for the service, at most until the grace period of a shutdown is over.
    async fn settled<T>(&self, request: impl Future<Output = T>) -> ControlFlow<Stop, T> {
        tokio::select! {
            result = request => ControlFlow::Continue(result),
            () = self.shutdown.grace_over() => ControlFlow::Break(Stop::Shutdown),
        }
    }
}

fn stop_of(interruption: Interruption) -> Stop {
    match interruption {
        Interruption::Cancelled => Stop::Cancelled { is_running: true },
        Interruption::Lost(error) => Stop::Lost(error),
        Interruption::Ended => Stop::Ended,
    }
}

impl Host for WorkerHost<'_> {
    type Stop = Stop;

    fn intervals(&self) -> Intervals {
        INTERVALS
    }

    fn span(&self, stage: &'static str) -> Span {
        tracing::info_span!("stage", stage, job_id = %self.job_id)
    }

    async fn publish(&mut self, update: &ProgressUpdate) -> ControlFlow<Stop> {
        self.report(update);
        self.check()
    }

    async fn poll(&mut self) -> ControlFlow<Stop> {
        self.check()
    }

    async fn interrupted(&mut self) -> Stop {
        tokio::select! {
            interruption = self.lease.interrupted() => stop_of(interruption),
            () = self.shutdown.grace_over() => Stop::Shutdown,
        }
    }

    async fn checkpoint(
        &mut self,
        checkpoint: StageCheckpoint,
        update: &ProgressUpdate,
    ) -> ControlFlow<Stop> {
        self.report(update);
        let stage = checkpoint.stage.clone();
        let content = StoredCheckpoint {
            checkpoint,
            artifacts: self.artifacts.clone(),
        };
        match RawJson::of(&content) {
            Ok(json) => {
                let request = self.lease.checkpoint(&stage, &json);
                if let Err(error) = self.settled(request).await? {
                    self.check()?;
                    tracing::warn!(
                        stage,
                        bytes = json.get().len(),
                        %error,
                        "a checkpoint is not stored: after an interruption, the stage continues from an earlier \
                         one; store a smaller state"
                    );
                }
            }
            Err(error) => tracing::warn!(stage, %error, "a checkpoint cannot be written"),
        }
        self.check()?;
        if self.shutdown.is_requested() {
            return ControlFlow::Break(Stop::Shutdown);
        }
        ControlFlow::Continue(())
    }

    fn artifact_store(&self) -> Arc<dyn ArtifactStore> {
        Arc::clone(&self.store)
    }

    async fn attach(
        &mut self,
        _: &'static str,
        artifact: Artifact,
    ) -> ControlFlow<Stop, Result<(), ArtifactError>> {
        let is_new = !self.names.contains(&*artifact.name);
        if is_new && self.names.len() >= MAX_ARTIFACTS {
            return ControlFlow::Continue(Err(ArtifactError::TooMany {
                name: artifact.name,
            }));
        }
        self.names.insert(artifact.name.to_string());
        self.artifacts.retain(|it| it.name != *artifact.name);
        self.artifacts.push(described(&artifact));
        ControlFlow::Continue(Ok(()))
    }

    async fn retry(&mut self, retry: StageRetry, update: &ProgressUpdate) -> ControlFlow<Stop> {
        tracing::warn!(stage = retry.stage, %retry, "a stage is attempted again");
        self.report(update);
        self.check()?;
        let shutdown = self.shutdown.clone();
        tokio::select! {
            () = tokio::time::sleep(retry.delay) => ControlFlow::Continue(()),
            stop = self.interrupted() => ControlFlow::Break(stop),
            () = shutdown.requested() => ControlFlow::Break(Stop::Shutdown),
        }
    }

    async fn finish_stage(&mut self, finished: FinishedStage) -> ControlFlow<Stop> {
        let complete = WorkerStageComplete {
            stage: finished.stage.to_owned(),
            results: finished.results,
            artifacts: std::mem::take(&mut self.artifacts),
        };
        let mut events = vec![WorkerEvent::StageComplete(complete)];
        if finished.is_last {
            events.push(WorkerEvent::JobComplete(WorkerJobComplete::default()));
        }
        if let Err(error) = self.settled(self.lease.post(&events)).await? {
            return ControlFlow::Break(match self.lease.interruption() {
                Some(interruption @ (Interruption::Lost(_) | Interruption::Ended)) => {
                    stop_of(interruption)
                }
                _ => Stop::Rejected(error),
            });
        }
        if finished.is_last {
            return ControlFlow::Continue(());
        }
        match self.lease.interruption() {
            Some(Interruption::Cancelled) => {
                ControlFlow::Break(Stop::Cancelled { is_running: false })
            }
            Some(interruption) => ControlFlow::Break(stop_of(interruption)),
            None if self.shutdown.is_requested() => ControlFlow::Break(Stop::Shutdown),
            None => ControlFlow::Continue(()),
        }
    }
}
