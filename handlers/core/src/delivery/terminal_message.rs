//! The last message of a job.

use contract::{
    ids::JobId,
    json::RawJson,
    messages::{JobCancelled, JobComplete, JobFailed, Results, ServerMessage},
    timestamp::Timestamp,
};

use crate::models::TerminalState;

/// What every message of a job says.
#[derive(Clone, Debug)]
pub struct MessageHeader {
    /// The job.
    pub job_id: JobId,
    /// The message's place among the job's durable messages.
    pub seq: u64,
    /// Ties the messages of the job to its request.
    pub correlation_id: String,
    /// When it happened.
    pub timestamp: Timestamp,
}

/// The message that tells how a job has ended. `stage` is the one that was running, if one was;
/// `results` are a completed job's.
pub fn terminal_message(
    terminal_state: &TerminalState,
    about: MessageHeader,
    stage: Option<&str>,
    results: Option<Results>,
) -> ServerMessage {
    let MessageHeader {
        job_id,
        seq,
        correlation_id,
        timestamp,
    } = about;
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
