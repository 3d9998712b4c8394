//! The object bucket, which stores inputs and the results that are too large for a message.

use crate::{environment::Resource, ids::JobId};

/// The properties of a bucket in the template.
#[derive(Debug, PartialEq, Eq)]
pub struct BucketSpec {
    /// The construct's name, in the template's logical ids.
    pub name: &'static str,
    /// The environment variable that holds the bucket's name in functions that use it.
    pub variable: &'static str,
}

/// An S3 bucket of the contract.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a bucket",
    label = "this takes a bucket",
    note = "buckets are declared in contract/src/buckets.rs"
)]
pub trait Bucket: Resource {
    /// The properties of the bucket in the template.
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

/// The object key of a job's input.
pub fn input_key(job: &JobId) -> String {
    format!("jobs/{job}/input")
}

/// The object key of a job's results. It contains the SHA-256 of their JSON, so that other results
/// cannot overwrite those that a message refers to.
pub fn results_key(job: &JobId, sha256: &str) -> String {
    format!("jobs/{job}/results/{sha256}.json")
}
