//! The last durable message of a job.

use raw_json::RawJson;
use stagecast_contract::{
    ids::JobId,
    messages::{Artifact, JobCancelled, JobComplete, JobFailed, Results, ServerMessage},
    timestamp::Timestamp,
};

use crate::models::TerminalState;

/// The fields that all messages of a job have.
#[derive(Clone, Debug)]
pub struct MessageHeader {
    /// The job.
    pub job_id: JobId,
    /// The position of the message among the job's durable messages.
    pub seq: u64,
    /// The correlation id of the job.
    pub correlation_id: String,
    /// When the job ended.
    pub timestamp: Timestamp,
}

/// The message about the end of a job. `stage` is the stage that was running, if any; `results` and
/// `artifacts` are those of a completed job.
pub fn terminal_message(
    terminal_state: &TerminalState,
    header: MessageHeader,
    stage: Option<&str>,
    results: Option<Results>,
    artifacts: Vec<Artifact>,
) -> ServerMessage {
    let MessageHeader {
        job_id,
        seq,
        correlation_id,
        timestamp,
    } = header;
    let stage = stage.map(str::to_owned);
    match terminal_state {
        TerminalState::Completed => {
            let results = results.unwrap_or(Results {
                results: RawJson::null(),
                results_url: None,
            });
            ServerMessage::JobComplete(JobComplete {
                job_id,
                results,
                timestamp,
                seq,
                correlation_id,
                artifacts,
            })
        }
        TerminalState::Failed(error) => {
            let error = error.clone();
            ServerMessage::JobFailed(JobFailed {
                job_id,
                error,
                timestamp,
                seq,
                correlation_id,
                stage,
            })
        }
        TerminalState::Cancelled => ServerMessage::JobCancelled(JobCancelled {
            job_id,
            timestamp,
            seq,
            correlation_id,
            stage,
        }),
    }
}
