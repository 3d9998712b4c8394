//! The content of an artifact, from memory or from a file.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncSeekExt as _},
};

use super::ArtifactError;

/// The content of an artifact: bytes, text, the path of a file, or an open file. A file is read from its
/// beginning, twice, and is never in memory as a whole. A `String` is the content itself, not a path.
#[derive(Debug)]
pub struct ArtifactContent(Content);

#[derive(Debug)]
enum Content {
    Bytes(Bytes),
    Path(PathBuf),
    File(File),
}

/// Reads the content of an artifact from its beginning, any number of times.
#[derive(Debug)]
pub struct ArtifactReader {
    source: Source,
}

#[derive(Debug)]
enum Source {
    Bytes { all: Bytes, at: usize },
    File(File),
}

impl ArtifactContent {
    /// Opens the content.
    pub(crate) async fn open(self) -> Result<ArtifactReader, ArtifactError> {
        let source = match self.0 {
            Content::Bytes(all) => Source::Bytes { all, at: 0 },
            Content::Path(path) => Source::File(File::open(&path).await.map_err(|error| {
                ArtifactError::Unreadable {
                    cause: format!("{}: {error}", path.display()),
                }
            })?),
            Content::File(file) => Source::File(file),
        };
        let mut reader = ArtifactReader { source };
        reader.rewind().await?;
        Ok(reader)
    }
}

impl ArtifactReader {
    /// The next bytes of the content: `max_bytes`, or fewer at its end; none after its end.
    ///
    /// # Errors
    ///
    /// [`ArtifactError::Unreadable`] for a file.
    pub async fn next(&mut self, max_bytes: usize) -> Result<Bytes, ArtifactError> {
        match &mut self.source {
            Source::Bytes { all, at } => {
                let end = at.saturating_add(max_bytes).min(all.len());
                let bytes = all.slice(*at..end);
                *at = end;
                Ok(bytes)
            }
            Source::File(file) => {
                let mut bytes = Vec::new();
                let part = file.take(max_bytes as u64).read_to_end(&mut bytes).await;
                part.map_err(|error| ArtifactError::unreadable(&error))?;
                Ok(bytes.into())
            }
        }
    }

    /// Goes back to the beginning.
    ///
    /// # Errors
    ///
    /// [`ArtifactError::Unreadable`] for a file.
    pub async fn rewind(&mut self) -> Result<(), ArtifactError> {
        match &mut self.source {
            Source::Bytes { at, .. } => *at = 0,
            Source::File(file) => {
                let rewound = file.rewind().await;
                rewound.map_err(|error| ArtifactError::unreadable(&error))?;
            }
        }
        Ok(())
    }
}

macro_rules! content_of_bytes {
    ($($type:ty),*) => {
        $(impl From<$type> for ArtifactContent {
            fn from(content: $type) -> Self {
                Self(Content::Bytes(content.into()))
            }
        })*
    };
}

content_of_bytes!(Bytes, Vec<u8>, String, &'static str, &'static [u8]);

impl From<PathBuf> for ArtifactContent {
    fn from(path: PathBuf) -> Self {
        Self(Content::Path(path))
    }
}

impl From<&Path> for ArtifactContent {
    fn from(path: &Path) -> Self {
        path.to_owned().into()
    }
}

impl From<File> for ArtifactContent {
    fn from(file: File) -> Self {
        Self(Content::File(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn content_is_read_in_pieces_from_memory_and_from_a_file() {
        let path = std::env::temp_dir().join(format!("artifact-{}", std::process::id()));
        std::fs::write(&path, "abcde").unwrap();
        let mut open = File::open(&path).await.unwrap();
        open.read_u8().await.unwrap();
        for content in [
            ArtifactContent::from("abcde"),
            path.as_path().into(),
            open.into(),
        ] {
            let mut reader = content.open().await.unwrap();
            for _ in 0..2 {
                for expected in ["abc", "de", ""] {
                    assert_eq!(reader.next(3).await.unwrap(), expected);
                }
                reader.rewind().await.unwrap();
            }
        }
        std::fs::remove_file(&path).unwrap();
        let missing = ArtifactContent::from(path).open().await.unwrap_err();
        assert_eq!(missing.code(), "artifact_unreadable");
    }
}
