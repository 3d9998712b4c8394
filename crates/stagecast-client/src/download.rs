//! A file of a job that is downloaded.

use std::path::Path;

use bytes::Bytes;
use http::header;
use tokio::{fs::File, io::AsyncWriteExt as _};

use crate::{error::Error, http::Download};

/// A file of a job that is being downloaded.
#[derive(Debug)]
pub struct Artifact {
    download: Download,
}

impl Artifact {
    pub(crate) fn new(download: Download) -> Self {
        Self { download }
    }

    /// The media type, such as `application/pdf`.
    pub fn content_type(&self) -> Option<&str> {
        self.download
            .headers
            .get(header::CONTENT_TYPE)?
            .to_str()
            .ok()
    }

    /// The size in bytes.
    pub fn size(&self) -> Option<u64> {
        let length = self.download.headers.get(header::CONTENT_LENGTH)?;
        length.to_str().ok()?.parse().ok()
    }

    /// The next bytes; none after the last.
    ///
    /// # Errors
    ///
    /// The connection broke: open the artifact again.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        self.download.chunk().await
    }

    /// The whole content in memory.
    ///
    /// # Errors
    ///
    /// Those of [`chunk`](Self::chunk).
    pub async fn bytes(self) -> Result<Bytes, Error> {
        self.download.bytes().await
    }

    /// Writes the content to a file, which is never in memory as a whole.
    ///
    /// # Errors
    ///
    /// Those of [`chunk`](Self::chunk), and [`Error::File`].
    pub async fn save(mut self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let failed = |error| Error::file(path, &error);
        let mut file = File::create(path).await.map_err(failed)?;
        while let Some(bytes) = self.chunk().await? {
            file.write_all(&bytes).await.map_err(failed)?;
        }
        file.flush().await.map_err(failed)
    }
}
