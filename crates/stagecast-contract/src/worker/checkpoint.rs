//! The checkpoint of a running stage: as the worker posts it, and as the next claim gets it.

use raw_json::RawJson;
use serde::{Deserialize, Serialize};

use crate::reading;

/// The state of a running stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CheckpointEvent {
    /// The stage.
    #[serde(deserialize_with = "reading::text")]
    pub stage: String,
    /// The state: any JSON of at most 256 KB with up to 120 nested arrays and objects. It is stored and returned
    /// byte for byte, numbers included.
    pub state: RawJson,
    /// The number of the checkpoint, which grows with each one of the claim. Then a repeated post that arrives after a
    /// newer one does not replace its state. Without a number, the post that arrives last wins.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "reading::optional_whole_number"
    )]
    pub number: Option<u64>,
}

/// A state from which the next claim of the job can continue a stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WorkerCheckpoint {
    /// The stage, one that has not finished.
    pub stage: String,
    /// The state, byte for byte as it was stored.
    pub state: RawJson,
}
