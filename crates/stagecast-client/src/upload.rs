//! Uploads the input of a job in parts: resumable, with progress and retries.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use http::{HeaderName, Method};
use sha2::{Digest as _, Sha256};
use stagecast_contract::http::{Upload, UploadPart, UploadState};
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncSeekExt as _, SeekFrom},
};

use crate::{
    access::Access,
    error::Error,
    hex::hex,
    http::{HttpClient, Request, wait_after},
    new_job::Input,
};

/// The number of parts that are sent at once.
const PARTS_AT_ONCE: usize = 4;
/// Bytes of a file that are read at once.
const CHUNK_BYTES: usize = 256 * 1024;
/// Consecutive failures of the network or the service after which an upload fails.
const MOST_FAILURES: u32 = 8;

/// How much of an input was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadProgress {
    /// Bytes that have been sent, those of earlier attempts included. Never decreases.
    pub sent_bytes: u64,
    /// Size of the input, in bytes.
    pub total_bytes: u64,
}

/// The bytes of an input.
pub(crate) enum Content {
    Bytes(Bytes),
    File { path: PathBuf, size: u64 },
}

impl Content {
    pub(crate) async fn open(input: &Input) -> Result<Self, Error> {
        Ok(match input {
            Input::None => Self::Bytes(Bytes::new()),
            Input::Bytes(bytes) => Self::Bytes(bytes.clone()),
            Input::File(path) => {
                let metadata = tokio::fs::metadata(path).await;
                let size = metadata.map_err(|error| Error::file(path, &error))?.len();
                Self::File {
                    path: path.clone(),
                    size,
                }
            }
        })
    }

    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { size, .. } => *size,
        }
    }

    /// All bytes. Only for small inputs.
    pub(crate) async fn read(&self) -> Result<Bytes, Error> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.clone()),
            Self::File { path, .. } => match tokio::fs::read(path).await {
                Ok(bytes) => Ok(bytes.into()),
                Err(error) => Err(Error::file(path, &error)),
            },
        }
    }

    pub(crate) async fn sha256(&self) -> Result<String, Error> {
        let mut sha256 = Sha256::new();
        let mut chunks = Box::pin(self.chunks(0, self.size()).await?);
        while let Some(chunk) = chunks.next().await {
            sha256.update(chunk.map_err(|error| self.failed(&error))?);
        }
        Ok(hex(&sha256.finalize()))
    }

    /// The bytes of a range, in pieces.
    async fn chunks(
        &self,
        offset: u64,
        size: u64,
    ) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + 'static + use<>, Error> {
        let source = match self {
            Self::Bytes(bytes) => {
                let clamp =
                    |at: u64| usize::try_from(at).map_or(bytes.len(), |at| at.min(bytes.len()));
                Source::Bytes(bytes.slice(clamp(offset)..clamp(offset + size)))
            }
            Self::File { path, .. } => {
                let failed = |error| Error::file(path, &error);
                let mut file = File::open(path).await.map_err(failed)?;
                file.seek(SeekFrom::Start(offset)).await.map_err(failed)?;
                Source::File { file, left: size }
            }
        };
        Ok(stream::try_unfold(source, |mut source| async move {
            let chunk = source.next().await?;
            Ok((!chunk.is_empty()).then_some((chunk, source)))
        }))
    }

    fn failed(&self, error: &io::Error) -> Error {
        match self {
            Self::File { path, .. } => Error::file(path, error),
            Self::Bytes(_) => Error::file("", error),
        }
    }
}

enum Source {
    Bytes(Bytes),
    File { file: File, left: u64 },
}

impl Source {
    async fn next(&mut self) -> io::Result<Bytes> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.split_to(bytes.len().min(CHUNK_BYTES))),
            Self::File { file, left } => {
                let most = usize::try_from(*left)
                    .unwrap_or(CHUNK_BYTES)
                    .min(CHUNK_BYTES);
                let mut chunk = Vec::with_capacity(most);
                file.take(most as u64).read_to_end(&mut chunk).await?;
                *left -= chunk.len() as u64;
                if chunk.is_empty() && *left > 0 {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the file became shorter while it was sent",
                    ));
                }
                Ok(chunk.into())
            }
        }
    }
}

/// What the uploads of the parts share.
struct Sender<'a> {
    http: &'a HttpClient,
    access: &'a Access,
    content: &'a Content,
    failures: AtomicU32,
    progress: &'a (dyn Fn(UploadProgress) + Send + Sync),
    /// Bytes that need not be sent again.
    done: AtomicU64,
    reported: AtomicU64,
}

/// Sends the missing parts and completes the upload: the job is queued.
pub(crate) async fn send(
    http: &HttpClient,
    access: &Access,
    content: &Content,
    mut known: Option<Upload>,
    progress: &(dyn Fn(UploadProgress) + Send + Sync),
) -> Result<(), Error> {
    let sender = Sender {
        http,
        access,
        content,
        failures: AtomicU32::new(0),
        progress,
        done: AtomicU64::new(0),
        reported: AtomicU64::new(0),
    };
    loop {
        let upload = match known.take() {
            Some(upload) => upload,
            None => match sender.ask(Method::GET).await?.upload {
                Some(upload) => upload,
                // The job has its input.
                None => return Ok(()),
            },
        };
        if upload.size != content.size() {
            return Err(Error::WrongInput {
                expected: upload.size,
                actual: content.size(),
            });
        }
        if !upload.parts.is_empty() {
            Box::pin(sender.send_parts(&upload)).await?;
            continue;
        }
        match sender.ask(Method::POST).await {
            Ok(_) => {
                sender.report(content.size());
                return Ok(());
            }
            // Parts are missing after all.
            Err(error) if error.code() == Some("upload_incomplete") => sender.failed(error).await?,
            Err(error) => return Err(error),
        }
    }
}

impl Sender<'_> {
    async fn ask(&self, method: Method) -> Result<UploadState, Error> {
        let request = self.access.request(method, "/upload").await?;
        self.http.send_with_retries(request).await?.json()
    }

    /// Sends the listed parts, several at once.
    async fn send_parts(&self, upload: &Upload) -> Result<(), Error> {
        let listed: u64 = upload.parts.iter().map(|part| part.size).sum();
        let after = upload.next_after_part.map(u64::from);
        let unlisted = after.map_or(0, |part| {
            upload.size.saturating_sub(part * upload.part_size)
        });
        let done = upload.size.saturating_sub(listed + unlisted);
        self.done.store(done, Ordering::Relaxed);
        let sending = upload.parts.iter().map(|part| self.send_part(part));
        let mut results = stream::iter(sending).buffer_unordered(PARTS_AT_ONCE);
        while let Some(result) = results.next().await {
            result?;
        }
        Ok(())
    }

    /// Sends a part, or returns if it needs another URL.
    async fn send_part(&self, part: &UploadPart) -> Result<(), Error> {
        loop {
            let sent = Arc::new(AtomicU64::new(0));
            let chunks = self.content.chunks(part.offset, part.size).await?;
            let counted = Arc::clone(&sent);
            let chunks = chunks.inspect(move |chunk| {
                if let Ok(chunk) = chunk {
                    counted.fetch_add(chunk.len() as u64, Ordering::Relaxed);
                }
            });
            let mut request = Request::new(Method::PUT, &*part.url);
            for (name, value) in &part.headers {
                if let Ok(name) = name.parse::<HeaderName>() {
                    request = request.header(name, value);
                }
            }
            let put = self.http.send_stream(request, chunks);
            let error = match self.watched(put, &sent).await {
                Ok(_) => None,
                // The part is there already.
                Err(error) if error.status() == Some(412) => None,
                Err(error) => Some(error),
            };
            let Some(error) = error else {
                self.failures.store(0, Ordering::Relaxed);
                let done = self.done.fetch_add(part.size, Ordering::Relaxed) + part.size;
                self.report(done);
                return Ok(());
            };
            // The URL has expired, or the upload is another one.
            let needs_url = matches!(error.status(), Some(403 | 404));
            if !needs_url && !error.is_transient() {
                return Err(error);
            }
            self.failed(error).await?;
            if needs_url {
                return Ok(());
            }
        }
    }

    /// Reports the bytes of a part while it is sent.
    async fn watched<T>(&self, put: impl Future<Output = T>, sent: &AtomicU64) -> T {
        let mut put = Box::pin(put);
        let mut interval = tokio::time::interval(std::time::Duration::from_millis(200));
        loop {
            tokio::select! {
                result = &mut put => return result,
                _ = interval.tick() => {
                    let done = self.done.load(Ordering::Relaxed);
                    self.report(done + sent.load(Ordering::Relaxed));
                }
            }
        }
    }

    fn report(&self, sent_bytes: u64) {
        let total_bytes = self.content.size();
        let sent_bytes = sent_bytes.min(total_bytes);
        if self.reported.fetch_max(sent_bytes, Ordering::Relaxed) < sent_bytes {
            (self.progress)(UploadProgress {
                sent_bytes,
                total_bytes,
            });
        }
    }

    /// Waits before the next attempt, or returns the error after too many.
    async fn failed(&self, error: Error) -> Result<(), Error> {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if failures >= MOST_FAILURES {
            return Err(error);
        }
        tokio::time::sleep(wait_after(&error, failures)).await;
        Ok(())
    }
}
