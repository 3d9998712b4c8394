//! The item with the artifacts of a job.

use granted_aws::Database;
use stagecast_contract::{ids::JobId, tables::JobEvents};
use typed_contract::{
    functions::Function,
    grants::{Granted, Query},
};

use super::{StoreError, events::item_at};
use crate::models::StoredArtifacts;

/// The artifacts of a job that were changed `revision` times, and whose items expire at `expires_at`, in epoch
/// seconds. Reads nothing for a job that has none.
pub(super) async fn load<F>(
    database: &Database<F>,
    job_id: &JobId,
    revision: u64,
    expires_at: i64,
) -> Result<StoredArtifacts, StoreError>
where
    F: Function + Granted<Query<JobEvents>>,
{
    const OPERATION: &str = "reading the artifacts";
    let none = || StoredArtifacts::none(job_id.clone(), expires_at);
    if revision == 0 {
        return Ok(none());
    }
    let item = item_at(database, OPERATION, job_id, StoredArtifacts::SEQ);
    match item.await? {
        Some(item) => Ok(StoredArtifacts::from_dynamodb_item(item)?),
        // Both items expire at the same time, and DynamoDB may delete this one first.
        None => Ok(none()),
    }
}

/// The condition that the job's item has the artifacts from which `changed` was made. It uses the value
/// `:known` unless they were never changed.
pub(super) fn unchanged_before(changed: &StoredArtifacts) -> &'static str {
    match changed.revision {
        0 | 1 => "attribute_not_exists(artifacts_revision)",
        _ => "artifacts_revision = :known",
    }
}
