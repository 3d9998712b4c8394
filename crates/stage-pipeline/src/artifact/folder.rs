//! The artifacts of a run in this process: in a folder, or nowhere.

use std::path::PathBuf;

use sha2::{Digest as _, Sha256};
use tokio::{fs, io::AsyncWriteExt as _};

use super::{
    Artifact, ArtifactError, ArtifactReader, ArtifactStore, CHUNK_BYTES, StoreArtifact, hex,
};

/// Does not keep artifacts.
#[derive(Debug)]
pub(crate) struct Discarded;

impl ArtifactStore for Discarded {
    fn store<'a>(&'a self, _: &'a Artifact, _: &'a mut ArtifactReader) -> StoreArtifact<'a> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Writes each artifact to the file of its name.
#[derive(Debug)]
pub(crate) struct Folder(pub(crate) PathBuf);

impl ArtifactStore for Folder {
    fn store<'a>(
        &'a self,
        artifact: &'a Artifact,
        content: &'a mut ArtifactReader,
    ) -> StoreArtifact<'a> {
        Box::pin(self.write(artifact, content))
    }
}

impl Folder {
    async fn write(
        &self,
        artifact: &Artifact,
        content: &mut ArtifactReader,
    ) -> Result<(), ArtifactError> {
        let not_stored = |error: std::io::Error| ArtifactError::NotStored {
            name: artifact.name.clone(),
            cause: format!("{}: {error}", self.0.display()),
        };
        fs::create_dir_all(&self.0).await.map_err(not_stored)?;
        // No artifact has a name that starts with a dot.
        let partial = self.0.join(format!(".{}.partial", artifact.name));
        let mut file = fs::File::create(&partial).await.map_err(not_stored)?;
        let mut sha256 = Sha256::new();
        loop {
            let bytes = content.next(CHUNK_BYTES).await?;
            if bytes.is_empty() {
                break;
            }
            sha256.update(&bytes);
            file.write_all(&bytes).await.map_err(not_stored)?;
        }
        file.flush().await.map_err(not_stored)?;
        if hex(&sha256.finalize()) != artifact.sha256 {
            return Err(ArtifactError::Changed {
                name: artifact.name.clone(),
            });
        }
        let path = self.0.join(&*artifact.name);
        fs::rename(&partial, path).await.map_err(not_stored)
    }
}
