//! The checkpoint from which the next claim of a job continues its stage.

use std::time::Duration;

use raw_json::RawJson;
use stage_pipeline::{Estimate, StageCheckpoint};
use stagecast_contract::worker::WorkerCheckpoint;
use stagecast_core::{
    models::Job,
    stores::{Lease, ProgressPoint, StoreError},
};

use crate::context::Context;

/// The checkpoint that a claim of `job` continues from; none if there is none, or if its stage has finished. From
/// then on, no post of an earlier claim changes it. The first claim reads and writes nothing.
pub(crate) async fn of_claimed(
    context: &Context,
    job: &Job,
) -> Result<Option<WorkerCheckpoint>, StoreError> {
    if job.epoch < 2 {
        return Ok(None);
    }
    let lease = Lease {
        job_id: job.job_id.clone(),
        epoch: job.epoch,
    };
    let is_finished = |stage: &str| job.checkpoints.contains_key(stage);
    let stored = context
        .checkpoints
        .take_over(&lease, job.seq, job.expires_at, is_finished)
        .await?;
    Ok(stored.map(|stored| WorkerCheckpoint {
        stage: stored.stage,
        state: stored.state,
    }))
}

/// The checkpoint with this state, as it is stored. Only the pipeline continues the times and the estimate.
pub(crate) fn stored(point: &ProgressPoint, state: RawJson) -> StageCheckpoint {
    StageCheckpoint {
        stage: point.stage.clone(),
        state,
        percent: point.progress,
        message: point.message.clone(),
        stage_elapsed: Duration::ZERO,
        job_elapsed: Duration::ZERO,
        estimate: Estimate::default(),
    }
}
