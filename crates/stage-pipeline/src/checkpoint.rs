//! Checkpoints within a stage: the state from which a later run continues it.

use std::time::Duration;

use raw_json::RawJson;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{error::StageError, estimate::Estimate, limits::MAX_RESULTS_DEPTH};

/// Largest state of a checkpoint, in bytes of its JSON: 16 MB. The run keeps the latest state in memory. A
/// larger state belongs in a store that the stage writes to; its checkpoint then names the position.
pub const MAX_CHECKPOINT_BYTES: usize = 16 * 1024 * 1024;

/// The code of the error for a state that cannot be stored.
const UNWRITABLE: &str = "checkpoint_unwritable";
/// The code of the error for a stored state that the stage cannot read.
const UNREADABLE: &str = "checkpoint_unreadable";

/// A stage in the middle of its work: its state, and the progress that was published with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageCheckpoint {
    /// The stage's name.
    pub stage: String,
    /// The state that the stage gave to [`Progress::checkpoint`](crate::Progress::checkpoint).
    pub state: RawJson,
    /// Percent of the stage. The continued stage starts here, so that its progress does not go back.
    pub percent: u8,
    /// What the stage was doing.
    pub message: String,
    /// The time that the stage has run, in all runs of this attempt.
    pub stage_elapsed: Duration,
    /// The time that the job has run: what [`Self::estimate`] was observed in.
    pub job_elapsed: Duration,
    /// The estimate of the remaining time.
    pub estimate: Estimate,
}

impl StageCheckpoint {
    /// The checkpoint as the next attempt continues it, whose time limit starts anew.
    #[must_use]
    pub fn for_next_attempt(self) -> Self {
        Self {
            stage_elapsed: Duration::ZERO,
            ..self
        }
    }
}

/// The state as JSON.
pub(crate) fn write<S: Serialize + ?Sized>(state: &S) -> Result<RawJson, StageError> {
    let unwritable = |reason: String| {
        StageError::failed(
            UNWRITABLE,
            format!("the state of a checkpoint cannot be stored: {reason}"),
        )
    };
    let state = RawJson::of(state).map_err(|error| unwritable(error.to_string()))?;
    let (bytes, depth) = (state.get().len(), state.depth());
    if bytes > MAX_CHECKPOINT_BYTES {
        return Err(unwritable(format!(
            "it has {bytes} bytes of JSON, the most is {MAX_CHECKPOINT_BYTES}; store the data \
             elsewhere and its position in the checkpoint"
        )));
    }
    if depth > MAX_RESULTS_DEPTH {
        return Err(unwritable(format!(
            "it is nested {depth} levels deep, the most is {MAX_RESULTS_DEPTH}"
        )));
    }
    Ok(state)
}

/// The state of the type that the stage expects.
pub(crate) fn read<S: DeserializeOwned>(state: &RawJson) -> Result<S, StageError> {
    state.read().map_err(|error| {
        StageError::failed(
            UNREADABLE,
            format!(
                "the stored checkpoint cannot be read: {error}; another version of the stage may have \
                 written it: give new fields of the state a default"
            ),
        )
    })
}
