//! Jobs for the tests of what is printed.

use std::collections::BTreeMap;

use stagecast_contract::{
    messages::{Artifact, FailureCode, JobError, JobStatus},
    timestamp::Timestamp,
};
use stagecast_operator::{
    details::{
        Attempts, CheckpointState, Holder, InputState, JobDetails, LatestClaim, Limits, LogEntry,
        Times,
    },
    summary::JobSummary,
};

/// 2027-01-15T08:00:00Z.
pub(super) const NOW: Timestamp = Timestamp::from_epoch_seconds(1_800_000_000);

fn ago(seconds: i64) -> Timestamp {
    NOW.plus_seconds(-seconds)
}

/// A running job of an external worker.
pub(super) fn running() -> JobSummary {
    JobSummary {
        job_id: "job_20270115_0101010101010101".parse().expect("an id"),
        status: JobStatus::Running,
        stage: Some("transcribe".to_owned()),
        progress: 40,
        overall_progress: 20,
        message: "Minute 4 of 10...".to_owned(),
        attempt: Some(2),
        estimated_seconds_remaining: Some(300),
        cancel_requested: false,
        queue: Some("plans".parse().expect("a name")),
        priority: Some(7),
        worker_id: Some("gpu-1".to_owned()),
        owner: Some("user-7".to_owned()),
        labels: BTreeMap::from([("team".to_owned(), "maps".to_owned())]),
        error: None,
        correlation_id: "req_1800000000_02".to_owned(),
        created_at: ago(600),
        updated_at: ago(1),
    }
}

/// A job of the pipeline that has failed.
pub(super) fn failed() -> JobSummary {
    JobSummary {
        job_id: "job_20270115_0202020202020202".parse().expect("an id"),
        status: JobStatus::Failed,
        stage: None,
        progress: 0,
        overall_progress: 0,
        message: "Failed".to_owned(),
        attempt: None,
        estimated_seconds_remaining: None,
        queue: None,
        priority: None,
        worker_id: None,
        owner: None,
        labels: BTreeMap::new(),
        error: Some(JobError::of(
            FailureCode::QueueTimeout,
            "no run claimed the job",
        )),
        created_at: ago(9000),
        updated_at: ago(60),
        ..running()
    }
}

/// Everything about the running job.
pub(super) fn details() -> JobDetails {
    JobDetails {
        summary: running(),
        stored_status: JobStatus::Running,
        seq: 1,
        claim: Some(LatestClaim {
            epoch: 3,
            holder: Holder::ExternalWorker(Some("gpu-1".to_owned())),
            lease_expires_at: NOW.plus_seconds(25),
            is_held: true,
        }),
        attempts: Attempts {
            at_stage: 2,
            max_at_stage: Some(3),
            retry_at: None,
            without_progress: 1,
            lost_leases: vec![2],
        },
        times: Times {
            created_at: ago(600),
            run_at: None,
            started_at: Some(ago(590)),
            updated_at: ago(1),
            expires_at: NOW.plus_seconds(600_000),
        },
        limits: Limits {
            queue_seconds: None,
            run_seconds: Some(3600),
            ends_at: Some(NOW.plus_seconds(3010)),
        },
        input: InputState {
            content_type: "audio/mpeg".to_owned(),
            has_parameters: true,
            upload_expires_at: None,
            upload_failure: None,
        },
        finished_stages: BTreeMap::from([("split".to_owned(), 1)]),
        checkpoint: Some(CheckpointState {
            stage: "transcribe".to_owned(),
            percent: 35,
            message: "Minute 3 of 10...".to_owned(),
            epoch: 3,
            object: None,
        }),
        artifacts: vec![Artifact {
            name: "parts.zip".to_owned(),
            content_type: "application/zip".to_owned(),
            size: 1234,
            sha256: "0".repeat(64),
        }],
        subscribers: 2,
        log: vec![
            LogEntry {
                seq: 1,
                kind: "stage_complete".to_owned(),
                stage: Some("split".to_owned()),
                timestamp: Some(ago(500)),
                epoch: 1,
                is_committed: true,
            },
            LogEntry {
                seq: 2,
                kind: "job_failed".to_owned(),
                stage: Some("transcribe".to_owned()),
                timestamp: Some(ago(1)),
                epoch: 3,
                is_committed: false,
            },
        ],
        request_id: "req_1800000000_02".parse().expect("an id"),
        retry_of: Some(failed().job_id),
        retried_as: None,
    }
}
