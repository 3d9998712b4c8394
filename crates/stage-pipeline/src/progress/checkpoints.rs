//! Checkpoints of a running stage: the stage offers states, and the run takes the latest one.

use raw_json::RawJson;
use serde::{Serialize, de::DeserializeOwned};

use super::handle::{Progress, ProgressFeed};
use crate::{checkpoint, error::StageError};

impl Progress {
    /// The handle of a stage that continues from `state`, which [`Self::resume`] returns, and the other end
    /// of it. For tests of a stage.
    ///
    /// ```
    /// # use stage_pipeline::Progress;
    /// let (progress, _feed) = Progress::resuming(&vec![1, 2]).unwrap();
    /// assert_eq!(progress.resume::<Vec<u32>>().unwrap(), Some(vec![1, 2]));
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`Self::checkpoint`] for a state that cannot be stored.
    pub fn resuming<S: Serialize + ?Sized>(state: &S) -> Result<(Self, ProgressFeed), StageError> {
        Ok(Self::resuming_stored(checkpoint::write(state)?))
    }

    /// [`Self::resuming`] from a state that was stored.
    pub(crate) fn resuming_stored(state: RawJson) -> (Self, ProgressFeed) {
        let (progress, feed) = Self::new();
        progress.shared.checkpoints.lock().stored = Some(state);
        (progress, feed)
    }

    /// The state of the stage's last checkpoint; None if the stage starts from the beginning. A stage that
    /// stores checkpoints calls this first.
    ///
    /// # Errors
    ///
    /// A failure with the code `checkpoint_unreadable`, if the stored state is not an `S`.
    pub fn resume<S: DeserializeOwned>(&self) -> Result<Option<S>, StageError> {
        let stored = self.shared.checkpoints.lock().stored.clone();
        stored.as_ref().map(checkpoint::read).transpose()
    }

    /// Offers the state from which a later run can continue this stage, should this run be interrupted. Call
    /// it as often as there is a state to continue from: only the latest one is stored, at most once per
    /// second, and what has not been stored when the run ends in time is stored then.
    ///
    /// Returns at once, except shortly before the time limit of the process that runs the stage, such as the
    /// timeout of a Lambda function: there, it waits until the state is stored and then ends the stage with
    /// [`Cancelled`](crate::Cancelled), and another run continues it.
    ///
    /// ```
    /// # use serde::{Deserialize, Serialize};
    /// # use stage_pipeline::{JobInput, Progress, Stage, StageError};
    /// #[derive(Default, Serialize, Deserialize)]
    /// struct State {
    ///     next_page: u32,
    ///     words: u64,
    /// }
    ///
    /// # fn words_of(page: u32) -> u64 { u64::from(page) }
    /// struct CountWords;
    ///
    /// impl Stage for CountWords {
    ///     type Input = u32; // the number of pages
    ///     type Output = u64;
    ///     const NAME: &'static str = "count_words";
    ///     const CHECKPOINTS: bool = true;
    ///
    ///     async fn run(&self, _: JobInput, pages: u32, progress: &Progress) -> Result<u64, StageError> {
    ///         let mut state: State = progress.resume()?.unwrap_or_default();
    ///         while state.next_page < pages {
    ///             state.words += words_of(state.next_page);
    ///             state.next_page += 1;
    ///             progress.checkpoint(&state).await?;
    ///         }
    ///         Ok(state.words)
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Cancelled`](crate::Cancelled) as of [`Self::check_cancelled`], and when the run hands the stage on. A
    /// failure with the code `checkpoint_unwritable`, if the state cannot be written as JSON or exceeds
    /// [`MAX_CHECKPOINT_BYTES`](crate::MAX_CHECKPOINT_BYTES).
    pub async fn checkpoint<S: Serialize + ?Sized>(&self, state: &S) -> Result<(), StageError> {
        self.check_cancelled()?;
        let state = checkpoint::write(state)?;
        self.shared.checkpoints.lock().latest = Some(state);
        self.shared.checkpoints.checkpointed.notify_one();
        loop {
            let released = self.shared.checkpoints.released.notified();
            self.check_cancelled()?;
            {
                let mut checkpoints = self.shared.checkpoints.lock();
                checkpoints.is_waiting = checkpoints.is_handing_on;
                if !checkpoints.is_waiting {
                    return Ok(());
                }
            }
            self.shared.checkpoints.checkpointed.notify_one();
            released.await;
        }
    }
}

impl ProgressFeed {
    /// Waits until there is a state that [`Self::take_checkpoint`] has not taken.
    pub async fn checkpointed(&self) {
        while self.0.checkpoints.lock().latest.is_none() {
            self.0.checkpoints.checkpointed.notified().await;
        }
    }

    /// The latest state of the stage's checkpoints, if it was not taken before.
    pub fn take_checkpoint(&self) -> Option<RawJson> {
        self.0.checkpoints.lock().latest.take()
    }

    /// [`Self::checkpointed`], but once the run hands on, the stage also has to wait at the checkpoint, so
    /// that it does no work after it.
    pub(crate) async fn checkpoint_ready(&self) {
        loop {
            {
                let checkpoints = self.0.checkpoints.lock();
                let is_ready = !checkpoints.is_handing_on || checkpoints.is_waiting;
                if checkpoints.latest.is_some() && is_ready {
                    return;
                }
            }
            self.0.checkpoints.checkpointed.notified().await;
        }
    }

    /// Sets whether the run ends at the stage's next checkpoint, where the stage then waits for the end.
    pub(crate) fn set_handing_on(&self, is_handing_on: bool) {
        self.0.checkpoints.lock().is_handing_on = is_handing_on;
        if !is_handing_on {
            self.0.checkpoints.release();
        }
    }

    /// Whether the run ends at the stage's next checkpoint.
    pub(crate) fn is_handing_on(&self) -> bool {
        self.0.checkpoints.lock().is_handing_on
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancelled::Cancelled;

    #[tokio::test]
    async fn latest_checkpoint_is_taken_once_and_resumed() {
        let (progress, feed) = Progress::new();
        assert_eq!(progress.resume::<u32>().unwrap(), None);
        progress.checkpoint(&1).await.unwrap();
        progress.checkpoint(&2).await.unwrap();
        feed.checkpointed().await;
        let state = feed.take_checkpoint().unwrap();
        assert_eq!(feed.take_checkpoint(), None);
        let (progress, _) = Progress::resuming_stored(state);
        assert_eq!(progress.resume::<u32>().unwrap(), Some(2));
        let error = progress.resume::<String>().unwrap_err().to_string();
        assert!(error.contains("checkpoint_unreadable"), "{error}");
    }

    #[tokio::test]
    async fn checkpoint_of_a_run_that_hands_on_ends_the_stage_once_it_is_released() {
        let (progress, feed) = Progress::new();
        feed.set_handing_on(true);
        let stage = tokio::spawn(async move { progress.checkpoint(&1).await });
        feed.checkpointed().await;
        assert!(!stage.is_finished());
        feed.cancel();
        let end = stage.await.unwrap();
        assert!(matches!(end, Err(StageError::Cancelled(Cancelled))));
        assert_eq!(feed.take_checkpoint().unwrap().get(), "1");
    }

    #[tokio::test]
    async fn state_that_is_too_large_is_refused_with_its_size() {
        let (progress, feed) = Progress::new();
        let state = "a".repeat(crate::MAX_CHECKPOINT_BYTES);
        let error = progress.checkpoint(&state).await.unwrap_err().to_string();
        assert!(error.contains("16777218 bytes"), "{error}");
        assert_eq!(feed.take_checkpoint(), None);
    }
}
