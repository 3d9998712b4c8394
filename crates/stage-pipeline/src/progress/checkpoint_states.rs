//! The states that a stage offers for its checkpoints, shared between the stage and its run.

use std::sync::{Mutex, MutexGuard, PoisonError};

use raw_json::RawJson;
use tokio::sync::Notify;

/// The checkpoints of a stage, shared between the stage and its run.
#[derive(Debug, Default)]
pub(super) struct CheckpointStates {
    states: Mutex<States>,
    /// Signals a state in [`States::latest`], and that the stage waits.
    pub(super) checkpointed: Notify,
    /// Signals the end of a hand-on, or a cancellation.
    pub(super) released: Notify,
}

/// The states of a stage.
#[derive(Debug, Default)]
pub(super) struct States {
    /// The state that an earlier run has stored.
    pub(super) stored: Option<RawJson>,
    /// The latest state of this run that has not been taken.
    pub(super) latest: Option<RawJson>,
    /// Whether the run ends at the next checkpoint.
    pub(super) is_handing_on: bool,
    /// Whether the stage waits at a checkpoint for the end of the run.
    pub(super) is_waiting: bool,
}

impl CheckpointStates {
    pub(super) fn lock(&self) -> MutexGuard<'_, States> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes a stage that waits at a checkpoint.
    pub(super) fn release(&self) {
        self.released.notify_waiters();
    }
}
