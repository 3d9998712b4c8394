//! The messages that a watch delivers.

use stagecast_contract::messages::{
    Artifact, JobCancelled, JobComplete, JobError, JobFailed, JobSnapshot, JobStatus,
    ProgressUpdate, Results, ServerMessage, StageComplete,
};

/// A message of a job.
#[derive(Clone, Debug, PartialEq)]
pub enum JobMessage {
    /// The progress of the running stage. A later one replaces it.
    Progress(ProgressUpdate),
    /// A stage has finished. Durable.
    StageComplete(StageComplete),
    /// All stages have finished. Durable, the last message.
    JobComplete(JobComplete),
    /// The job has failed. Durable, the last message.
    JobFailed(JobFailed),
    /// The job was cancelled. Durable, the last message.
    JobCancelled(JobCancelled),
}

impl JobMessage {
    /// The message, if it is one of a job and not a reply.
    pub fn from_server(message: ServerMessage) -> Option<Self> {
        Some(match message {
            ServerMessage::ProgressUpdate(message) => Self::Progress(message),
            ServerMessage::StageComplete(message) => Self::StageComplete(message),
            ServerMessage::JobComplete(message) => Self::JobComplete(message),
            ServerMessage::JobFailed(message) => Self::JobFailed(message),
            ServerMessage::JobCancelled(message) => Self::JobCancelled(message),
            _ => return None,
        })
    }

    /// The message that is equivalent to a snapshot; none before the first stage has started.
    pub fn from_snapshot(snapshot: JobSnapshot) -> Option<Self> {
        let JobSnapshot {
            job_id,
            seq,
            correlation_id,
            stage,
            updated_at: timestamp,
            ..
        } = snapshot;
        Some(match snapshot.status {
            JobStatus::AwaitingInput | JobStatus::Queued => return None,
            JobStatus::Running => Self::Progress(ProgressUpdate {
                job_id,
                stage: stage?,
                progress: snapshot.progress,
                message: snapshot.message,
                estimated_seconds_remaining: snapshot.estimated_seconds_remaining,
                timestamp,
                seq,
                correlation_id,
                overall_progress: snapshot.overall_progress,
                attempt: snapshot.attempt,
                max_attempts: snapshot.max_attempts,
                retry_at: snapshot.retry_at,
                work: snapshot.work,
            }),
            JobStatus::Completed => Self::JobComplete(JobComplete {
                job_id,
                results: snapshot.results.unwrap_or_else(|| Results {
                    results: raw_json::RawJson::null(),
                    results_url: None,
                }),
                timestamp,
                seq,
                correlation_id,
                artifacts: snapshot.artifacts,
            }),
            JobStatus::Failed => Self::JobFailed(JobFailed {
                job_id,
                error: snapshot.error.unwrap_or_else(|| JobError {
                    code: "internal".to_owned(),
                    message: "the job failed without an error message".to_owned(),
                }),
                timestamp,
                seq,
                correlation_id,
                stage,
            }),
            JobStatus::Cancelled => Self::JobCancelled(JobCancelled {
                job_id,
                timestamp,
                seq,
                correlation_id,
                stage,
            }),
        })
    }

    /// The number of a durable message; that of the last durable message before a progress update.
    pub fn seq(&self) -> u64 {
        match self {
            Self::Progress(message) => message.seq,
            Self::StageComplete(message) => message.seq,
            Self::JobComplete(message) => message.seq,
            Self::JobFailed(message) => message.seq,
            Self::JobCancelled(message) => message.seq,
        }
    }

    /// The stage that the message is about, if any.
    pub fn stage(&self) -> Option<&str> {
        match self {
            Self::Progress(message) => Some(&message.stage),
            Self::StageComplete(message) => Some(&message.stage),
            Self::JobComplete(_) => None,
            Self::JobFailed(message) => message.stage.as_deref(),
            Self::JobCancelled(message) => message.stage.as_deref(),
        }
    }

    /// The files of the stage or of the job.
    pub fn artifacts(&self) -> &[Artifact] {
        match self {
            Self::StageComplete(message) => &message.artifacts,
            Self::JobComplete(message) => &message.artifacts,
            Self::Progress(_) | Self::JobFailed(_) | Self::JobCancelled(_) => &[],
        }
    }

    /// Whether the message is delivered exactly once, and never replaced.
    pub fn is_durable(&self) -> bool {
        !matches!(self, Self::Progress(_))
    }

    /// Whether this is the last message of the job.
    pub fn is_end(&self) -> bool {
        matches!(
            self,
            Self::JobComplete(_) | Self::JobFailed(_) | Self::JobCancelled(_)
        )
    }

    /// The id of the job.
    pub(crate) fn job_id(&self) -> &str {
        let job_id = match self {
            Self::Progress(message) => &message.job_id,
            Self::StageComplete(message) => &message.job_id,
            Self::JobComplete(message) => &message.job_id,
            Self::JobFailed(message) => &message.job_id,
            Self::JobCancelled(message) => &message.job_id,
        };
        job_id.as_str()
    }
}
