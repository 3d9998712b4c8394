//! Where the bytes of an input come from.

use std::{fmt, future::Future, io, ops::Range, path::PathBuf, pin::Pin};

use bytes::Bytes;
use tokio::io::{AsyncBufRead, AsyncReadExt as _, AsyncSeekExt as _, BufReader};

use super::error::InputError;

/// Buffer of a file that is read as a stream.
const FILE_BUFFER_BYTES: usize = 64 * 1024;

/// A stream of the bytes of an input.
pub type InputBody = Pin<Box<dyn AsyncBufRead + Send>>;

/// The future of [`InputSource::open`].
pub type OpenInput<'a> = Pin<Box<dyn Future<Output = Result<InputPart, InputError>> + Send + 'a>>;

/// A range of an input that is being read.
pub struct InputPart {
    /// The size of the whole input, in bytes.
    pub size: u64,
    /// The bytes of the range. An error, or an end before the range has ended, is a broken connection: the
    /// rest is opened again.
    pub body: InputBody,
}

impl fmt::Debug for InputPart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("InputPart")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// Where a service keeps the inputs of its jobs. The stages call it on their own threads and runtime.
pub trait InputSource: Send + Sync + 'static {
    /// The size of the input in bytes, if the service knows it without reading. Without it, the first read
    /// starts at the beginning of the input.
    fn known_size(&self) -> Option<u64> {
        None
    }

    /// Opens the bytes of `range`, or those of them that the input has; none if it is empty. It is never
    /// called with an empty range.
    ///
    /// Calls that fail with [`InputError::Unavailable`] are repeated, up to
    /// [`READ_ATTEMPTS`](crate::READ_ATTEMPTS) times without a byte. An input that has been replaced since
    /// the first call has to fail with [`InputError::Replaced`].
    fn open(&self, range: Range<u64>) -> OpenInput<'_>;
}

/// The sources of an input.
pub(super) enum Source {
    Memory(Bytes),
    File(PathBuf),
    Service(Box<dyn InputSource>),
}

impl Source {
    pub(super) fn known_size(&self) -> Option<u64> {
        match self {
            Self::Memory(bytes) => Some(bytes.len() as u64),
            Self::File(_) => None,
            Self::Service(source) => source.known_size(),
        }
    }

    pub(super) async fn open(&self, range: Range<u64>) -> Result<InputPart, InputError> {
        match self {
            Self::Memory(bytes) => Ok(InputPart {
                size: bytes.len() as u64,
                body: body_of(slice(bytes, &range)),
            }),
            Self::File(path) => open_file(path, range)
                .await
                .map_err(|error| InputError::File {
                    path: path.clone(),
                    cause: error.to_string(),
                }),
            Self::Service(source) => source.open(range).await,
        }
    }
}

/// A stream of bytes in memory.
pub(super) fn body_of(bytes: Bytes) -> InputBody {
    Box::pin(io::Cursor::new(bytes))
}

/// The bytes of `range` that `bytes` has.
pub(super) fn slice(bytes: &Bytes, range: &Range<u64>) -> Bytes {
    let clamp = |index: u64| usize::try_from(index).map_or(bytes.len(), |it| it.min(bytes.len()));
    let (start, end) = (clamp(range.start), clamp(range.end));
    bytes.slice(start..end.max(start))
}

async fn open_file(path: &PathBuf, range: Range<u64>) -> io::Result<InputPart> {
    let mut file = tokio::fs::File::open(path).await?;
    let size = file.metadata().await?.len();
    file.seek(io::SeekFrom::Start(range.start)).await?;
    let rest = file.take(range.end.saturating_sub(range.start));
    Ok(InputPart {
        size,
        body: Box::pin(BufReader::with_capacity(FILE_BUFFER_BYTES, rest)),
    })
}
