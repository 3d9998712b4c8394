//! The object bucket: inputs, and results too large for a message.

use crate::{environment::Resource, ids::JobId};

/// A bucket as the template declares it.
#[derive(Debug, PartialEq, Eq)]
pub struct BucketSpec {
    /// The construct's name, in the template's logical ids.
    pub name: &'static str,
    /// The environment variable that holds the bucket's name in functions that use it.
    pub variable: &'static str,
}

/// A bucket of the contract.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no bucket",
    label = "this takes a bucket",
    note = "buckets are declared in contract/src/buckets.rs"
)]
pub trait Bucket: Resource {
    /// How the template declares it.
    const SPEC: &'static BucketSpec;
}

/// Holds the inputs of jobs and the results that are too large for a message.
#[derive(Debug)]
pub struct Objects;

impl Bucket for Objects {
    const SPEC: &'static BucketSpec = &BucketSpec {
        name: "objects",
        variable: "OBJECTS_BUCKET",
    };
}

impl Resource for Objects {
    const VARIABLE: &'static str = Self::SPEC.variable;
}

/// Where the input of a job is kept.
pub fn input_key(job: &JobId) -> String {
    format!("jobs/{job}/input")
}

/// Where results of a job are kept, by the SHA-256 of their JSON: nobody can write others in the
/// place of those that a message tells of.
pub fn results_key(job: &JobId, sha256: &str) -> String {
    format!("jobs/{job}/results/{sha256}.json")
}
