//! What a stage has attached, shared between the stage and its run.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};

use crate::artifact::{Artifact, ArtifactError, ArtifactStore};

/// The artifacts of a stage, shared between the stage and its run.
#[derive(Debug, Default)]
pub(super) struct Attachments {
    state: Mutex<State>,
    /// Signals an entry of [`State::offered`].
    pub(super) offered: Notify,
    /// Signals a cancellation.
    pub(super) cancelled: Notify,
}

#[derive(Default)]
pub(super) struct State {
    /// Where the content is stored; none without a run.
    pub(super) store: Option<Arc<dyn ArtifactStore>>,
    /// The artifacts whose content is stored, and that the run has not recorded.
    pub(super) offered: VecDeque<Attachment>,
    /// The artifacts of a stage without a run.
    pub(super) kept: Vec<(Artifact, Bytes)>,
}

/// An artifact whose content is stored, to be recorded by the run.
#[derive(Debug)]
pub(crate) struct Attachment {
    pub(crate) artifact: Artifact,
    /// Receives the result.
    pub(crate) recorded: oneshot::Sender<Result<(), ArtifactError>>,
}

impl fmt::Debug for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("State")
            .field("offered", &self.offered)
            .field("kept", &self.kept.len())
            .finish_non_exhaustive()
    }
}

impl Attachments {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes a stage that waits for an artifact to be stored or recorded.
    pub(super) fn cancel(&self) {
        self.cancelled.notify_waiters();
    }
}
