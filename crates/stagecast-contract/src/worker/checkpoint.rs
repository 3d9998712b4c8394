//! The checkpoint of a running stage.

use raw_json::RawJson;
use serde::{Deserialize, Serialize};

use crate::reading;

/// A state from which the next claim of the job can continue a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WorkerCheckpoint {
    /// The stage, one of those that the claim declared and that have not finished.
    #[serde(deserialize_with = "reading::text")]
    pub stage: String,
    /// The state: any JSON of at most 256 KB with up to 120 nested arrays and objects. It is stored and returned
    /// byte for byte, numbers included.
    pub state: RawJson,
}
