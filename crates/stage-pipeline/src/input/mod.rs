//! What a job starts from.

mod error;
mod reader;
mod source;
mod temporary_file;

use std::{
    fmt,
    ops::{Deref, Range},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use raw_json::RawJson;
use serde::de::DeserializeOwned;
use tokio::{io::AsyncReadExt as _, sync::OnceCell};

pub use error::InputError;
pub use reader::InputReader;
use source::Source;
pub use source::{InputBody, InputPart, InputSource, OpenInput};
use temporary_file::TemporaryFile;

/// The most bytes that [`JobInput::bytes`] and [`JobInput::range`] return: 64 MiB.
pub const MAX_BYTES_AT_ONCE: u64 = 64 * 1024 * 1024;

/// How often a source is asked for a byte before a read fails, the first attempt included.
pub const READ_ATTEMPTS: u32 = 5;

/// Wait before the second attempt; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// The beginning of an input from a service, which is read with the first request and then kept in memory
/// for the run: 4 MiB. So a small input takes one request, however many stages read it.
const FIRST_PART_BYTES: u64 = 4 * 1024 * 1024;

/// The input of a job. Every stage receives it. Nothing is read before a stage asks for it. Clones are the
/// same input.
///
/// | to read | use | memory | requests to the service that stores it |
/// | --- | --- | --- | --- |
/// | all of a small input | [`bytes`](Self::bytes) | the input | 1 for a run, if it has at most 4 MiB |
/// | an input of any size, from front to back | [`reader`](Self::reader) | a few MiB | 2, and 1 after each broken connection |
/// | parts of it | [`range`](Self::range) | the part | 1 for each range beyond the first 4 MiB |
/// | with code that takes a file | [`file`](Self::file) | a few MiB | 2 for a run |
///
/// A test of a stage gives it bytes:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stage_pipeline::InputError> {
/// use stage_pipeline::JobInput;
///
/// let job = JobInput::new("job-1", "a,b\n1,2\n", "text/csv");
/// assert_eq!(job.bytes().await?, "a,b\n1,2\n");
/// assert_eq!(job.range(4..7).await?, "1,2");
/// assert_eq!(job.size().await?, 8);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct JobInput {
    /// The job's id, for logs and for names of what a stage stores elsewhere. This crate does not
    /// interpret it.
    pub job_id: Arc<str>,
    /// The media type of the input, such as `text/csv`.
    pub content_type: String,
    /// A JSON object.
    parameters: RawJson,
    shared: Arc<Shared>,
    /// The first error of a read in this stage that a later run may not meet.
    failure: Arc<OnceLock<InputError>>,
}

struct Shared {
    source: Source,
    /// The size, and the beginning of the input, once they were read.
    first_part: OnceCell<FirstPart>,
    file: OnceCell<InputFile>,
    storage: Option<TemporaryStorage>,
}

struct FirstPart {
    size: u64,
    bytes: Bytes,
}

/// The room for files of the process.
struct TemporaryStorage {
    bytes: u64,
    remedy: String,
}

/// The input of a job as a file: see [`JobInput::file`].
///
/// A temporary file is removed when the last clone of this value and of its [`JobInput`] is dropped.
#[derive(Clone, Debug)]
pub struct InputFile(FileKind);

#[derive(Clone, Debug)]
enum FileKind {
    Given(PathBuf),
    Temporary(Arc<TemporaryFile>),
}

impl JobInput {
    /// The input of the job `job_id`: `bytes` of the media type `content_type`.
    pub fn new(
        job_id: impl Into<Arc<str>>,
        bytes: impl Into<Bytes>,
        content_type: impl Into<String>,
    ) -> Self {
        Self::of(job_id, content_type, Source::Memory(bytes.into()))
    }

    /// The input of the job `job_id`: the file at `path`, of the media type `content_type`. The file is
    /// opened at the first read, and must not change before the run has ended.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use stage_pipeline::JobInput;
    /// use tokio::io::AsyncBufReadExt as _;
    ///
    /// let job = JobInput::from_file("job-1", "README.md", "text/markdown");
    /// let mut first_line = String::new();
    /// job.reader().read_line(&mut first_line).await?;
    /// assert_eq!(first_line, "# stage-pipeline\n");
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_file(
        job_id: impl Into<Arc<str>>,
        path: impl Into<PathBuf>,
        content_type: impl Into<String>,
    ) -> Self {
        Self::of(job_id, content_type, Source::File(path.into()))
    }

    /// The input of the job `job_id`, read from where a service keeps it. For hosts.
    pub fn from_source(
        job_id: impl Into<Arc<str>>,
        source: impl InputSource,
        content_type: impl Into<String>,
    ) -> Self {
        Self::of(job_id, content_type, Source::Service(Box::new(source)))
    }

    fn of(job_id: impl Into<Arc<str>>, content_type: impl Into<String>, source: Source) -> Self {
        Self {
            job_id: job_id.into(),
            content_type: content_type.into(),
            parameters: RawJson::from(serde_json::json!({})),
            shared: Arc::new(Shared {
                source,
                first_part: OnceCell::new(),
                file: OnceCell::new(),
                storage: None,
            }),
            failure: Arc::default(),
        }
    }

    /// The same input with the parameters of its job, a JSON object.
    #[must_use]
    pub fn with_parameters(mut self, parameters: RawJson) -> Self {
        self.parameters = parameters;
        self
    }

    /// The job's parameters as a `T`; those of a job without parameters are `{}`.
    ///
    /// ```
    /// # use raw_json::RawJson;
    /// # use serde::Deserialize;
    /// # use stage_pipeline::JobInput;
    /// #[derive(Deserialize)]
    /// struct Import {
    ///     #[serde(default)]
    ///     columns: Vec<String>,
    /// }
    ///
    /// let parameters = RawJson::from_text(r#"{"columns": ["price"]}"#.to_owned())?;
    /// let job = JobInput::new("job-1", "", "text/csv").with_parameters(parameters);
    /// assert_eq!(job.parameters::<Import>().unwrap().columns, ["price"]);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InputError::Parameters`], whose code is `invalid_parameters`, if they are no `T`.
    pub fn parameters<T: DeserializeOwned>(&self) -> Result<T, InputError> {
        let parameters = self.parameters.read();
        parameters.map_err(|error| InputError::Parameters {
            cause: error.to_string(),
        })
    }

    /// The same input in a process whose temporary directory holds at most `bytes`. A larger input fails
    /// [`Self::file`] at once, with an error that contains `remedy`. For hosts.
    ///
    /// # Panics
    ///
    /// If this input has been cloned.
    #[must_use]
    pub fn with_temporary_storage(mut self, bytes: u64, remedy: impl Into<String>) -> Self {
        let shared = Arc::get_mut(&mut self.shared).expect("an input that has not been cloned");
        shared.storage = Some(TemporaryStorage {
            bytes,
            remedy: remedy.into(),
        });
        self
    }

    /// The size of the input, in bytes. If it is not known yet, this reads the first 4 MiB and keeps them.
    ///
    /// # Errors
    ///
    /// If the input cannot be read, also after retries.
    pub async fn size(&self) -> Result<u64, InputError> {
        match self.shared.source.known_size() {
            Some(size) => Ok(size),
            None => Ok(self.first_part().await?.size),
        }
    }

    /// The whole input. An input of at most 4 MiB is read once for all stages of a run; a larger one is
    /// read with each call.
    ///
    /// # Errors
    ///
    /// If the input has more than [`MAX_BYTES_AT_ONCE`], or cannot be read, also after retries.
    pub async fn bytes(&self) -> Result<Bytes, InputError> {
        self.bytes_up_to(MAX_BYTES_AT_ONCE).await
    }

    /// [`Self::bytes`] with another limit, in bytes. The process needs memory for so many.
    ///
    /// # Errors
    ///
    /// If the input has more than `limit` bytes, or cannot be read, also after retries.
    pub async fn bytes_up_to(&self, limit: u64) -> Result<Bytes, InputError> {
        let size = self.size().await?;
        if size > limit {
            return Err(InputError::TooLarge { size, limit });
        }
        self.read(0..size).await
    }

    /// The bytes from `range.start` up to, but not including, `range.end`; at most [`MAX_BYTES_AT_ONCE`].
    ///
    /// # Errors
    ///
    /// If the range is not within the input or too large, or the input cannot be read, also after retries.
    pub async fn range(&self, range: Range<u64>) -> Result<Bytes, InputError> {
        let size = self.size().await?;
        let Range { start, end } = range;
        if start > end || end > size {
            return Err(InputError::OutOfRange { start, end, size });
        }
        let (size, limit) = (end - start, MAX_BYTES_AT_ONCE);
        if size > limit {
            return Err(InputError::TooLarge { size, limit });
        }
        self.read(range).await
    }

    /// A stream of the input, from its beginning: an [`AsyncRead`](tokio::io::AsyncRead) and
    /// [`AsyncBufRead`](tokio::io::AsyncBufRead). See [`InputReader`].
    pub fn reader(&self) -> InputReader {
        self.reader_from(0)
    }

    /// [`Self::reader`] that starts after `position` bytes, such as those that an earlier run has read. The
    /// first read fails if the input has fewer bytes.
    pub fn reader_from(&self, position: u64) -> InputReader {
        InputReader::new(self.clone(), position..u64::MAX)
    }

    /// The input as a file, for code that takes a path or reads synchronously. The file of
    /// [`Self::from_file`] is returned as it is. Otherwise the input is written to a file in the temporary
    /// directory, once for all stages of a run. The file is removed at the end of the run.
    ///
    /// # Errors
    ///
    /// If the temporary directory has not enough room, the file cannot be written, or the input cannot be
    /// read, also after retries.
    pub async fn file(&self) -> Result<InputFile, InputError> {
        if let Source::File(path) = &self.shared.source {
            return Ok(InputFile(FileKind::Given(path.clone())));
        }
        let file = self.shared.file.get_or_try_init(async || {
            let size = self.size().await?;
            let storage = self.shared.storage.as_ref();
            let remedy = storage.map_or(
                "free space there, or set the environment variable TMPDIR to another directory",
                |storage| &storage.remedy,
            );
            let directory = std::env::temp_dir();
            let no_room = || InputError::NoRoom {
                size,
                directory: directory.clone(),
                remedy: remedy.to_owned(),
            };
            if storage.is_some_and(|storage| size > storage.bytes) {
                return Err(no_room());
            }
            let file = TemporaryFile::write(&directory, &mut self.reader(), no_room).await?;
            Ok(InputFile(FileKind::Temporary(Arc::new(file))))
        });
        Ok(file.await?.clone())
    }

    /// The same input for another stage.
    pub(crate) fn for_stage(&self) -> Self {
        Self {
            failure: Arc::default(),
            ..self.clone()
        }
    }

    /// The error of a read in this stage that a later run may not meet, if there was one. The stage
    /// may have returned another error because of it, or panicked.
    pub(crate) fn retryable_failure(&self) -> Option<InputError> {
        self.failure.get().cloned()
    }

    /// Keeps an error that the caller returns, if it is retryable.
    fn returned(&self, error: InputError) -> InputError {
        if error.is_retryable() {
            self.failure.get_or_init(|| error.clone());
        }
        error
    }

    /// The bytes of a range that is within the input.
    async fn read(&self, range: Range<u64>) -> Result<Bytes, InputError> {
        if let Source::Memory(bytes) = &self.shared.source {
            return Ok(source::slice(bytes, &range));
        }
        if range.start < FIRST_PART_BYTES || range.is_empty() {
            let first = self.first_part().await?;
            if range.end <= first.bytes.len() as u64 {
                return Ok(source::slice(&first.bytes, &range));
            }
        }
        let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let mut bytes = Vec::with_capacity(length);
        let mut reader = InputReader::new(self.clone(), range);
        reader.read_to_end(&mut bytes).await.map_err(input_error)?;
        Ok(bytes.into())
    }

    async fn first_part(&self) -> Result<&FirstPart, InputError> {
        let read = self.shared.first_part.get_or_try_init(async || {
            let mut attempt = 1;
            loop {
                match self.read_first_part().await {
                    Err(error) if error.is_temporary() && attempt < READ_ATTEMPTS => {
                        wait(attempt, &error).await;
                        attempt += 1;
                    }
                    result => return result,
                }
            }
        });
        read.await.map_err(|error| self.returned(error))
    }

    async fn read_first_part(&self) -> Result<FirstPart, InputError> {
        let InputPart { size, body } = self.shared.source.open(0..FIRST_PART_BYTES).await?;
        self.check_size(size)?;
        let expected = size.min(FIRST_PART_BYTES);
        let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or_default());
        let read = body.take(expected).read_to_end(&mut bytes).await;
        read.map_err(|error| InputError::unavailable(&error))?;
        if (bytes.len() as u64) < expected {
            let cause = format!("it ended after {} of {expected} bytes", bytes.len());
            return Err(InputError::Unavailable { cause });
        }
        let bytes = bytes.into();
        Ok(FirstPart { size, bytes })
    }

    /// Whether a source still has an input of the size that was read first.
    fn check_size(&self, size: u64) -> Result<(), InputError> {
        let first = self.shared.first_part.get().map(|first| first.size);
        let known = first.or_else(|| self.shared.source.known_size());
        if known.is_some_and(|known| known != size) {
            return Err(InputError::Replaced);
        }
        Ok(())
    }
}

impl fmt::Debug for JobInput {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("JobInput")
            .field("job_id", &self.job_id)
            .field("content_type", &self.content_type)
            .finish_non_exhaustive()
    }
}

impl Deref for InputFile {
    type Target = Path;

    fn deref(&self) -> &Path {
        match &self.0 {
            FileKind::Given(path) => path,
            FileKind::Temporary(file) => file.path(),
        }
    }
}

impl AsRef<Path> for InputFile {
    fn as_ref(&self) -> &Path {
        self
    }
}

/// The error that a reader has returned.
fn input_error(error: std::io::Error) -> InputError {
    error
        .downcast::<InputError>()
        .unwrap_or_else(|error| InputError::unavailable(&error))
}

/// Waits after a failed attempt, the first of which has the number 1.
fn wait(attempt: u32, error: &InputError) -> tokio::time::Sleep {
    tracing::warn!(attempt, %error, "the input could not be read; it is read again");
    tokio::time::sleep(FIRST_WAIT * 2_u32.saturating_pow(attempt.saturating_sub(1)))
}

#[cfg(test)]
mod tests;
