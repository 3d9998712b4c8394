//! Why a job fails by its stages or its runs.

use contract::{
    json::RawJson,
    limits::{LEASE_SECONDS, MAX_ATTEMPTS_WITHOUT_PROGRESS},
    messages::JobError,
};

use super::{StageError, executor::StagePanic};
use crate::models::Job;

/// Why a job fails that was claimed too often without a stage finished.
pub(super) fn attempts_exhausted(job: &Job) -> JobError {
    let claims = format!(
        "the job was started {MAX_ATTEMPTS_WITHOUT_PROGRESS} times without finishing a stage"
    );
    match job.recently_lost_leases() {
        0 => JobError {
            code: "too_many_attempts".to_owned(),
            message: format!(
                "{claims}: each time, its run crashed or was cut short; the stage may need more \
                 time or memory than its function has"
            ),
        },
        lost => JobError {
            code: "lease_lost".to_owned(),
            message: format!(
                "{claims}; {lost} of these runs were alive but could not renew their lease for \
                 {LEASE_SECONDS} seconds: the machine had no processor time for the runner, was \
                 suspended, or did not reach the jobs table"
            ),
        },
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
        // Nobody has told it to: its own cancellation is a failure like any other.
        Ok(Err(StageError::Cancelled(_))) => Err(JobError {
            code: "internal".to_owned(),
            message: format!("{stage} stopped as if it had been cancelled, but it was not"),
        }),
        Err(StagePanic { message }) => {
            tracing::error!(stage, panic = message, "a stage has panicked");
            Err(JobError {
                code: "stage_panicked".to_owned(),
                message: format!(
                    "{stage} has crashed; this is a fault of the pipeline, its log says more"
                ),
            })
        }
    }
}
