//! The errors with which a job fails because of its stages or its runs.

use stage_pipeline::StageFailure;
use stagecast_contract::{
    limits::{LEASE_SECONDS, MAX_ATTEMPTS_WITHOUT_PROGRESS},
    messages::{FailureCode, JobError},
};

use crate::models::Job;

/// The error of a job that was claimed too often without finishing a stage.
pub(super) fn attempts_exhausted(job: &Job) -> JobError {
    let claims = format!(
        "the job was started {MAX_ATTEMPTS_WITHOUT_PROGRESS} times without finishing a stage or storing a \
         checkpoint"
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

/// The error of a job whose stage has failed.
pub(super) fn of_stage(stage: &str, failure: StageFailure) -> JobError {
    match failure {
        StageFailure::Failed { code, message } | StageFailure::Temporary { code, message } => {
            JobError::of_stage(&code, message)
        }
        StageFailure::Panicked { message } => {
            tracing::error!(stage, panic = message, "a stage has panicked");
            JobError::of(
                FailureCode::StagePanicked,
                format!("{stage} has crashed because of a bug in the pipeline; see its log"),
            )
        }
        StageFailure::TimedOut { limit } => JobError::of(
            FailureCode::StageTimedOut,
            format!(
                "{stage} took longer than its time limit of {} s; give it a longer TIME_LIMIT, or less \
                 work",
                limit.as_secs_f64()
            ),
        ),
        StageFailure::Input(error) => JobError::of_stage(error.code(), error.to_string()),
        // The causes of these have any length, so the text is cut like that of a stage.
        failure => JobError::of_stage(
            FailureCode::Internal.name(),
            format!("{stage} failed: {failure}"),
        ),
    }
}
