//! Reads an input as a stream.

use std::{
    fmt,
    future::Future,
    io,
    ops::Range,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncBufRead, AsyncRead, AsyncReadExt as _, ReadBuf},
    time::Sleep,
};

use super::{
    FIRST_PART_BYTES, InputBody, InputError, InputPart, JobInput, READ_ATTEMPTS,
    source::{Source, body_of, slice},
    wait,
};

/// A stream of a job's input: [`JobInput::reader`].
///
/// After a broken connection it goes on with the next byte: up to [`READ_ATTEMPTS`] attempts without a byte,
/// with waits between them that double from 200 milliseconds. So a stage may compute for as long as it
/// likes between two reads, also if the source closes idle connections meanwhile.
///
/// Its errors are [`InputError`]s within an [`io::Error`].
///
/// ```
/// use stage_pipeline::{JobInput, StageError};
/// use tokio::io::AsyncBufReadExt as _;
///
/// async fn count_lines(job: &JobInput) -> Result<u64, StageError> {
///     let mut lines = job.reader().lines();
///     let mut count = 0;
///     while lines.next_line().await?.is_some() {
///         count += 1;
///     }
///     Ok(count)
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let job = JobInput::new("job-1", "a\nb\n", "text/plain");
/// # assert_eq!(count_lines(&job).await.unwrap(), 2);
/// # }
/// ```
pub struct InputReader {
    job: JobInput,
    position: u64,
    end: u64,
    /// Failed attempts since the last byte.
    failures: u32,
    state: State,
}

enum State {
    Idle,
    Opening(Pin<Box<dyn Future<Output = Result<Opened, OpenError>> + Send>>),
    Waiting(Pin<Box<Sleep>>),
    Reading {
        body: InputBody,
        /// Where the body ends.
        end: u64,
    },
}

enum Opened {
    /// The input has no byte at this position.
    End,
    Part {
        body: InputBody,
        end: u64,
    },
}

struct OpenError {
    error: InputError,
    /// Whether the attempts are over.
    is_final: bool,
}

impl InputReader {
    /// A reader of the bytes of `range` that the input has.
    pub(super) fn new(job: JobInput, range: Range<u64>) -> Self {
        Self {
            job,
            position: range.start,
            end: range.end,
            failures: 0,
            state: State::Idle,
        }
    }

    /// How many bytes of the input are before the next one that this reader returns. A later run can start
    /// there: [`JobInput::reader_from`].
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Counts a failed attempt: an error if it was the last one.
    fn failed(&mut self, error: InputError, is_final: bool) -> io::Result<()> {
        self.failures += 1;
        if is_final || !error.is_temporary() || self.failures >= READ_ATTEMPTS {
            // The next call starts again.
            self.failures = 0;
            self.state = State::Idle;
            return Err(self.job.returned(error).into());
        }
        self.state = State::Waiting(Box::pin(wait(self.failures, &error)));
        Ok(())
    }
}

impl AsyncBufRead for InputReader {
    fn poll_fill_buf(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        loop {
            match &mut this.state {
                State::Idle => {
                    if this.position == this.end {
                        return Poll::Ready(Ok(&[]));
                    }
                    let (job, range) = (this.job.clone(), this.position..this.end);
                    this.state = State::Opening(Box::pin(open(job, range)));
                }
                State::Opening(opened) => match ready!(opened.as_mut().poll(context)) {
                    Ok(Opened::Part { body, end }) => this.state = State::Reading { body, end },
                    Ok(Opened::End) => {
                        this.end = this.position;
                        this.state = State::Idle;
                    }
                    Err(OpenError { error, is_final }) => this.failed(error, is_final)?,
                },
                State::Waiting(sleep) => {
                    ready!(sleep.as_mut().poll(context));
                    this.state = State::Idle;
                }
                State::Reading { body, end } => {
                    let end = *end;
                    match ready!(body.as_mut().poll_fill_buf(context)) {
                        Ok([]) if this.position == end => this.state = State::Idle,
                        Ok([]) => {
                            let cause = format!("it ended after {} of {end} bytes", this.position);
                            this.failed(InputError::Unavailable { cause }, false)?;
                        }
                        Ok(_) => {
                            this.failures = 0;
                            break;
                        }
                        Err(error) => this.failed(InputError::unavailable(&error), false)?,
                    }
                }
            }
        }
        // Only now, as the loop cannot return what it borrows in one of its rounds.
        match &mut this.state {
            State::Reading { body, .. } => body.as_mut().poll_fill_buf(context),
            _ => Poll::Ready(Ok(&[])),
        }
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        let this = self.get_mut();
        if let State::Reading { body, .. } = &mut this.state {
            body.as_mut().consume(amount);
            this.position += amount as u64;
        }
    }
}

impl AsyncRead for InputReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let available = ready!(self.as_mut().poll_fill_buf(context))?;
        let length = available.len().min(buffer.remaining());
        buffer.put_slice(&available[..length]);
        self.consume(length);
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for InputReader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("InputReader")
            .field("job_id", &self.job.job_id)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

/// Opens the bytes of `range` that the input has, or the first of them: what follows is opened when they
/// have been read.
async fn open(job: JobInput, range: Range<u64>) -> Result<Opened, OpenError> {
    let over = |error| OpenError {
        error,
        is_final: true,
    };
    let size = job.size().await.map_err(over)?;
    let Range { start, end } = range;
    if start > size {
        return Err(over(InputError::OutOfRange { start, end, size }));
    }
    if start == size {
        return Ok(Opened::End);
    }
    let mut range = start..end.min(size);
    let is_service = matches!(job.shared.source, Source::Service(_));
    if is_service && start < FIRST_PART_BYTES {
        let first = job.first_part().await.map_err(over)?;
        range.end = range.end.min(first.bytes.len() as u64);
        return Ok(Opened::Part {
            body: body_of(slice(&first.bytes, &range)),
            end: range.end,
        });
    }
    let opened = job.shared.source.open(range.clone()).await;
    let InputPart { size, body } = opened.map_err(|error| OpenError {
        error,
        is_final: false,
    })?;
    job.check_size(size).map_err(over)?;
    Ok(Opened::Part {
        body: Box::pin(body.take(range.end - range.start)),
        end: range.end,
    })
}
