//! The object bucket, which stores inputs, artifacts and the results that are too large for a message.

use typed_contract::{
    bucket,
    buckets::{Bucket as _, BucketSpec},
};

use crate::ids::JobId;

bucket! {
    /// Holds the inputs and artifacts of jobs and the results that are too large for a message.
    Objects = "objects" in "OBJECTS_BUCKET"
}

/// All buckets, in the order of the template.
pub const ALL: &[&BucketSpec] = &[Objects::SPEC];

/// The object key of a job's input.
pub fn input_key(job: &JobId) -> String {
    format!("jobs/{job}/input")
}

/// The object key of a large state in a checkpoint of the pipeline: one of two objects of the claim `epoch`.
pub fn checkpoint_key(job: &JobId, epoch: u64, slot: u64) -> String {
    format!("jobs/{job}/checkpoints/{epoch}-{slot}.json")
}

/// The object key of a large state in a checkpoint of an external worker. It contains the SHA-256 of the JSON,
/// so that a post that arrives late cannot overwrite a state that another has stored.
pub fn worker_checkpoint_key(job: &JobId, sha256: &str) -> String {
    format!("jobs/{job}/checkpoints/{sha256}.json")
}

/// The object key of an artifact's content. It contains the SHA-256, so that a superseded run cannot
/// overwrite what another has attached.
pub fn artifact_key(job: &JobId, sha256: &str) -> String {
    format!("jobs/{job}/artifacts/{sha256}")
}

/// The object key of a job's results. It contains the SHA-256 of their JSON, so that other results
/// cannot overwrite those that a message refers to.
pub fn results_key(job: &JobId, sha256: &str) -> String {
    format!("jobs/{job}/results/{sha256}.json")
}
