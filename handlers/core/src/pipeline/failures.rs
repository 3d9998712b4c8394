//! The errors with which a job fails because of its stages or its runs.

use contract::{
    json::RawJson,
    limits::{LEASE_SECONDS, MAX_ATTEMPTS_WITHOUT_PROGRESS},
    messages::{FailureCode, JobError},
};

use super::{StageError, executor::StagePanic};
use crate::models::Job;

/// The error of a job that was claimed too often without finishing a stage.
pub(super) fn attempts_exhausted(job: &Job) -> JobError {
    let claims = format!(
        "the job was started {MAX_ATTEMPTS_WITHOUT_PROGRESS} times without finishing a stage"
    );
    match job.recently_lost_leases() {
        0 => JobError::of(
            FailureCode::TooManyAttempts,
            format!(
                "{claims}: each time, its run crashed or was interrupted; the stage may need more \
                 time or memory than its function has"
            ),
        ),
        lost => JobError::of(
            FailureCode::LeaseLost,
            format!(
                "{claims}; {lost} of these runs were alive but could not renew their lease for \
                 {LEASE_SECONDS} seconds: the machine had no processor time for the runner, was \
                 suspended, or did not reach the jobs table"
            ),
        ),
    }
}

/// The results of a stage, or why the job has failed with it.
pub(super) fn results_of(
    stage: &str,
    outcome: Result<Result<RawJson, StageError>, StagePanic>,
) -> Result<RawJson, JobError> {
    match outcome {
        Ok(Ok(results)) => Ok(results),
        Ok(Err(StageError::Failed { code, message })) => Err(JobError::of_stage(&code, message)),
        // The job was not cancelled, so the stage created this error, which is a failure.
        Ok(Err(StageError::Cancelled(_))) => Err(JobError::of(
            FailureCode::Internal,
            format!("{stage} stopped as if it had been cancelled, but it was not"),
        )),
        Err(StagePanic { message }) => {
            tracing::error!(stage, panic = message, "a stage has panicked");
            Err(JobError::of(
                FailureCode::StagePanicked,
                format!("{stage} has crashed because of a bug in the pipeline; see its log"),
            ))
        }
    }
}
