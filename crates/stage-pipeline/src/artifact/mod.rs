//! Named files that a job produces.

mod content;
mod error;
mod folder;
mod name;

use std::{future::Future, pin::Pin};

use sha2::{Digest as _, Sha256};

pub use content::{ArtifactContent, ArtifactReader};
pub use error::ArtifactError;
pub(crate) use folder::{Discarded, Folder};
pub use name::{ArtifactName, InvalidArtifactName};

/// The most artifacts that a job may have.
pub const MAX_ARTIFACTS: usize = 100;

/// Largest artifact, in bytes: 50 GB.
pub const MAX_ARTIFACT_BYTES: u64 = 50 * 1024 * 1024 * 1024;

/// Longest media type of an artifact, in bytes.
pub const MAX_ARTIFACT_TYPE_BYTES: usize = 100;

/// Bytes that are read at once to compute a SHA-256.
const CHUNK_BYTES: usize = 1024 * 1024;

/// A named file of a job, as it is described to those who watch the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// The name, unique within the job.
    pub name: ArtifactName,
    /// The media type, such as `application/pdf`.
    pub content_type: String,
    /// Size of the content, in bytes.
    pub size: u64,
    /// The SHA-256 of the content: 64 lower-case hexadecimal digits.
    pub sha256: String,
}

/// The future of [`ArtifactStore::store`].
pub type StoreArtifact<'a> = Pin<Box<dyn Future<Output = Result<(), ArtifactError>> + Send + 'a>>;

/// Where a service keeps the artifacts of its jobs. The stages call it on their own threads and runtime.
pub trait ArtifactStore: Send + Sync + 'static {
    /// Stores the content of `artifact`, which `content` reads from its beginning. The artifact is not
    /// listed before [`Host::attach`](crate::host::Host::attach) was called.
    ///
    /// The content that is listed under this or another name must not change: a superseded run may call
    /// this too. A store that is addressed by the SHA-256 has this property. It has to compute the SHA-256
    /// of what it stores, because a file may have changed since: [`ArtifactError::Changed`].
    fn store<'a>(
        &'a self,
        artifact: &'a Artifact,
        content: &'a mut ArtifactReader,
    ) -> StoreArtifact<'a>;
}

impl Artifact {
    /// Describes `content`, which is read once, and rewinds it.
    pub(crate) async fn of(
        name: ArtifactName,
        content_type: String,
        content: &mut ArtifactReader,
    ) -> Result<Self, ArtifactError> {
        check_content_type(&content_type)?;
        let (mut sha256, mut size) = (Sha256::new(), 0);
        loop {
            let bytes = content.next(CHUNK_BYTES).await?;
            if bytes.is_empty() {
                break;
            }
            size += bytes.len() as u64;
            if size > MAX_ARTIFACT_BYTES {
                return Err(ArtifactError::TooLarge { name });
            }
            sha256.update(&bytes);
        }
        content.rewind().await?;
        Ok(Self {
            name,
            content_type,
            size,
            sha256: hex(&sha256.finalize()),
        })
    }
}

/// Requires a media type that is safe in headers and messages: printable ASCII without `"` and `\`.
fn check_content_type(content_type: &str) -> Result<(), ArtifactError> {
    let is_safe = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
    let is_valid = content_type.contains('/')
        && content_type.len() <= MAX_ARTIFACT_TYPE_BYTES
        && content_type.bytes().all(is_safe);
    if is_valid {
        return Ok(());
    }
    Err(ArtifactError::InvalidContentType {
        content_type: content_type.chars().take(MAX_ARTIFACT_TYPE_BYTES).collect(),
    })
}

/// Lower-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn artifact_has_the_size_and_the_hash_of_its_content() {
        let mut content = ArtifactContent::from("abc").open().await.unwrap();
        let name = ArtifactName::new("abc.txt");
        let artifact = Artifact::of(name, "text/plain".to_owned(), &mut content).await;
        let artifact = artifact.unwrap();
        assert_eq!(artifact.size, 3);
        assert_eq!(
            artifact.sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(content.next(10).await.unwrap(), "abc", "it is rewound");
    }

    #[test]
    fn content_type_is_a_short_media_type_without_quotes() {
        check_content_type("text/csv; charset=utf-8").unwrap();
        let long = format!("text/{}", "a".repeat(96));
        for wrong in ["", "pdf", "text/\"a", "text/a\n", "text/é", &long] {
            let error = check_content_type(wrong).unwrap_err();
            assert_eq!(error.code(), "invalid_artifact", "{wrong}");
        }
    }
}
