//! A job as clients see it: its snapshot and its progress update.

use stagecast_contract::messages::{
    Artifact, JobSnapshot, JobStatus, ProgressUpdate, ServerMessage,
};

use super::{
    Event,
    job::{Job, WAITING_FOR_INPUT, WAITING_FOR_PIPELINE, WAITING_FOR_WORKER},
};

impl Job {
    /// The job as clients see it, without results, which are in the log, and without artifacts.
    pub fn snapshot(&self) -> JobSnapshot {
        JobSnapshot {
            job_id: self.job_id.clone(),
            status: self.shown_status(),
            stage: self.stage.clone(),
            progress: self.progress,
            overall_progress: self.overall_progress,
            message: self.shown_message().to_owned(),
            estimated_seconds_remaining: self.estimated_seconds_remaining,
            seq: self.seq,
            created_at: self.created_at,
            updated_at: self.updated_at,
            correlation_id: self.correlation_id.clone(),
            attempt: (self.attempt > 0).then_some(self.attempt),
            max_attempts: self.max_attempts,
            retry_at: self.retry_at,
            run_at: self.run_at,
            queue: self.queue.clone(),
            owner: self.owner.clone(),
            labels: self.labels.clone(),
            work: self.work_amount.clone(),
            results: None,
            error: self.error.clone(),
            artifacts: Vec::new(),
        }
    }

    /// The job as clients see it. `last` is its last durable message, which contains the results of a
    /// completed job; `artifacts` are those of the job.
    pub fn snapshot_with(&self, last: Option<&Event>, artifacts: Vec<Artifact>) -> JobSnapshot {
        let mut snapshot = self.snapshot();
        snapshot.artifacts = artifacts;
        if self.status == JobStatus::Completed
            && let Some(event) = last
            && let Ok(ServerMessage::JobComplete(complete)) = serde_json::from_str(&event.message)
        {
            snapshot.results = Some(complete.results);
        }
        snapshot
    }

    /// The status for clients: a job between two runs of a stage, which hand it on through the queue, is
    /// running.
    fn shown_status(&self) -> JobStatus {
        if self.status == JobStatus::Queued && self.attempt > 0 {
            return JobStatus::Running;
        }
        self.status
    }

    /// The last message of a stage. If a job left the queue without progress, its message of a waiting job
    /// is replaced.
    fn shown_message(&self) -> &str {
        let is_waiting =
            [WAITING_FOR_INPUT, WAITING_FOR_PIPELINE, WAITING_FOR_WORKER].contains(&&*self.message);
        match self.shown_status() {
            JobStatus::AwaitingInput | JobStatus::Queued => &self.message,
            _ if !is_waiting => &self.message,
            JobStatus::Running => "Running...",
            JobStatus::Completed => "Completed",
            JobStatus::Failed => "Failed",
            JobStatus::Cancelled => "Cancelled",
        }
    }

    /// The progress update for subscribers; none unless a stage is running.
    pub fn progress_update(&self) -> Option<ProgressUpdate> {
        if self.status != JobStatus::Running {
            return None;
        }
        Some(ProgressUpdate {
            job_id: self.job_id.clone(),
            stage: self.stage.clone()?,
            progress: self.progress,
            message: self.shown_message().to_owned(),
            estimated_seconds_remaining: self.estimated_seconds_remaining,
            timestamp: self.updated_at,
            seq: self.seq,
            correlation_id: self.correlation_id.clone(),
            overall_progress: self.overall_progress,
            attempt: (self.attempt > 0).then_some(self.attempt),
            max_attempts: self.max_attempts,
            retry_at: self.retry_at,
            work: self.work_amount.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use stagecast_contract::{
        ids::{AccessKey, JobId, RequestId, WorkerKey},
        timestamp::Timestamp,
    };

    use super::*;

    const NOW: Timestamp = Timestamp::from_epoch_seconds(1_705_314_615);

    fn job() -> Job {
        Job::queued(
            JobId::new(NOW, [1; 8]),
            &AccessKey::new([3; 16]),
            RequestId::new(NOW, [2; 8]),
            "req_1_a".to_owned(),
            "image/png".to_owned(),
            NOW,
        )
    }

    #[test]
    fn only_a_running_stage_has_progress() {
        let mut job = job();
        job.stage = Some("stage_1".to_owned());
        job.progress = 40;
        assert_eq!(job.progress_update(), None);
        job.status = JobStatus::Running;
        let update = job.progress_update().unwrap();
        assert_eq!((update.stage.as_str(), update.progress), ("stage_1", 40));
        job.status = JobStatus::Completed;
        assert_eq!(job.progress_update(), None);
    }

    #[test]
    fn job_between_two_runs_is_running() {
        let mut job = job();
        assert_eq!(job.snapshot().status, JobStatus::Queued);
        (job.stage, job.attempt) = (Some("stage_1".to_owned()), 1);
        assert_eq!(job.snapshot().status, JobStatus::Running);
    }

    #[test]
    fn job_without_progress_waits_only_while_it_is_queued() {
        let pipeline = job();
        let worker = pipeline
            .clone()
            .for_external_worker(&WorkerKey::new([4; 16]));
        for mut job in [pipeline, worker] {
            assert!(job.snapshot().message.starts_with("Waiting for a "));
            for status in [
                JobStatus::Running,
                JobStatus::Completed,
                JobStatus::Failed,
                JobStatus::Cancelled,
            ] {
                job.status = status;
                let message = job.snapshot().message;
                assert!(!message.contains("Waiting"), "{status:?}: {message}");
            }
            job.message = "Counting...".to_owned();
            assert_eq!(job.snapshot().message, "Counting...");
        }
    }
}
