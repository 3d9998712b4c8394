//! Artifacts of a running stage: the stage stores their content, and the run records them.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{
    attachment_states::Attachment,
    handle::{Progress, ProgressFeed},
};
use crate::{
    artifact::{Artifact, ArtifactContent, ArtifactName, ArtifactStore},
    cancelled::Cancelled,
    error::StageError,
};

/// Longest content that [`ProgressFeed::attached`] keeps without a run, in bytes.
const MAX_KEPT_BYTES: usize = 64 * 1024 * 1024;

impl Progress {
    /// Attaches a file to the job: clients see it in the job's status and in the messages of finished stages,
    /// and download it by its name. Returns once the file is stored and recorded, also if the stage fails
    /// later. An artifact of the same name, also of an earlier attempt or stage, is replaced.
    ///
    /// `name` is an [`ArtifactName`] or a text that can be one. `content` is bytes, a text, the
    /// path of a file or an open [`tokio::fs::File`]; a file may have any size up to
    /// [`MAX_ARTIFACT_BYTES`](crate::MAX_ARTIFACT_BYTES), and is not read into memory as a whole. A job has at
    /// most [`MAX_ARTIFACTS`](crate::MAX_ARTIFACTS).
    ///
    /// ```
    /// # use std::path::Path;
    /// # use stage_pipeline::{ArtifactName, JobInput, Progress, Stage, StageError};
    /// # async fn draw() -> Result<&'static Path, StageError> { Ok(Path::new("/tmp/plan.png")) }
    /// const PLAN: ArtifactName = ArtifactName::new("plan.png");
    ///
    /// # struct Draw;
    /// # impl Stage for Draw {
    /// #     type Input = ();
    /// #     type Output = ();
    /// #     const NAME: &'static str = "draw";
    /// async fn run(&self, _: JobInput, (): (), progress: &Progress) -> Result<(), StageError> {
    ///     let png: &Path = draw().await?;
    ///     progress.attach(PLAN, "image/png", png).await?;
    ///     progress.attach("rooms.csv", "text/csv", "room,area\n").await?;
    ///     Ok(())
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Cancelled`](crate::Cancelled) as of [`Self::check_cancelled`]. Those of
    /// [`ArtifactError`](crate::ArtifactError): a failure with the code
    /// `invalid_artifact`, `artifact_too_large`, `too_many_artifacts`, `artifact_unreadable` or
    /// `artifact_changed`, or a temporary failure with the code `artifact_not_stored`.
    pub async fn attach<N>(
        &self,
        name: N,
        content_type: &str,
        content: impl Into<ArtifactContent>,
    ) -> Result<Artifact, StageError>
    where
        N: TryInto<ArtifactName>,
        N::Error: Into<StageError>,
    {
        let name = name.try_into().map_err(Into::into)?;
        let (content_type, content) = (content_type.to_owned(), content.into());
        let cancelled = self.shared.attachments.cancelled.notified();
        self.check_cancelled()?;
        tokio::select! {
            biased;
            attached = Box::pin(self.store(name, content_type, content)) => attached,
            () = cancelled => Err(Cancelled.into()),
        }
    }

    /// Stores an artifact, and waits until the run has recorded it.
    async fn store(
        &self,
        name: ArtifactName,
        content_type: String,
        content: ArtifactContent,
    ) -> Result<Artifact, StageError> {
        let mut content = content.open().await?;
        let artifact = Artifact::of(name, content_type, &mut content).await?;
        let attachments = &self.shared.attachments;
        let store = attachments.lock().store.clone();
        let Some(store) = store else {
            let bytes = content.next(MAX_KEPT_BYTES).await?;
            let kept = &mut attachments.lock().kept;
            kept.retain(|(other, _)| other.name != artifact.name);
            kept.push((artifact.clone(), bytes));
            return Ok(artifact);
        };
        store.store(&artifact, &mut content).await?;
        let (recorded, result) = oneshot::channel();
        attachments.lock().offered.push_back(Attachment {
            artifact: artifact.clone(),
            recorded,
        });
        attachments.offered.notify_one();
        // A run that stops drops the sender.
        result.await.map_err(|_| Cancelled)??;
        Ok(artifact)
    }

    /// Stores the artifacts of the stage in `store`; their run has to record them.
    pub(crate) fn store_artifacts_in(&self, store: Arc<dyn ArtifactStore>) {
        self.shared.attachments.lock().store = Some(store);
    }
}

impl ProgressFeed {
    /// The artifacts that a stage has attached in a test, without a run, with their content: the first
    /// 64 MiB of each.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stage_pipeline::StageError> {
    /// # use stage_pipeline::Progress;
    /// let (progress, feed) = Progress::new();
    /// progress.attach("rooms.csv", "text/csv", "room,area\n").await?;
    /// let (artifact, content) = &feed.attached()[0];
    /// assert_eq!((artifact.size, &content[..]), (10, &b"room,area\n"[..]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn attached(&self) -> Vec<(Artifact, Bytes)> {
        self.0.attachments.lock().kept.clone()
    }

    /// Waits until there is an artifact that [`Self::take_attachment`] has not taken. Cancel-safe.
    pub(crate) async fn attachment_offered(&self) {
        while self.0.attachments.lock().offered.is_empty() {
            self.0.attachments.offered.notified().await;
        }
    }

    /// The oldest artifact that was not taken before.
    pub(crate) fn take_attachment(&self) -> Option<Attachment> {
        self.0.attachments.lock().offered.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::Discarded;

    #[tokio::test]
    async fn attaching_the_same_name_again_replaces_it() {
        let (progress, feed) = Progress::new();
        progress.attach("a.txt", "text/plain", "1").await.unwrap();
        let name = ArtifactName::new("b.txt");
        progress.attach(name, "text/plain", "2").await.unwrap();
        progress.attach("a.txt", "text/plain", "34").await.unwrap();
        let attached = feed.attached();
        let sizes: Vec<_> = attached
            .iter()
            .map(|(it, bytes)| (&*it.name, it.size, &bytes[..]))
            .collect();
        assert_eq!(sizes, [("b.txt", 1, &b"2"[..]), ("a.txt", 2, &b"34"[..])]);
    }

    #[tokio::test]
    async fn wrong_name_is_an_error_with_the_rule() {
        let (progress, feed) = Progress::new();
        let error = progress.attach("a b", "text/plain", "").await.unwrap_err();
        assert!(error.to_string().contains("'a b'"), "{error}");
        assert!(feed.attached().is_empty());
    }

    #[tokio::test]
    async fn attachment_waits_for_its_record_and_ends_with_the_run() {
        let (progress, feed) = Progress::new();
        progress.store_artifacts_in(Arc::new(Discarded));
        let attach = |name: &'static str| {
            let progress = progress.clone();
            tokio::spawn(async move { progress.attach(name, "text/plain", "x").await })
        };
        let first = attach("first");
        feed.attachment_offered().await;
        assert!(!first.is_finished());
        let attachment = feed.take_attachment().expect("an artifact");
        attachment.recorded.send(Ok(())).expect("the stage waits");
        assert_eq!(&*first.await.unwrap().unwrap().name, "first");
        let second = attach("second");
        feed.attachment_offered().await;
        feed.cancel();
        let end = second.await.unwrap();
        assert!(matches!(end, Err(StageError::Cancelled(Cancelled))));
    }
}
