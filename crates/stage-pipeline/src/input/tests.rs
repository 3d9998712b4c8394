use std::{
    io,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::io::{AsyncBufReadExt as _, AsyncRead};

use super::*;
use crate::{Pipeline, Progress, RunError, Stage, StageError, StageFailure};

/// What happens to one request, in order; after the last one, requests succeed.
#[derive(Clone, Debug)]
enum Fault {
    /// The request fails.
    Fail(InputError),
    /// The connection breaks after so many bytes.
    Break(u64),
    /// The stream ends after so many bytes, as if it were complete.
    End(u64),
    /// The request succeeds.
    None,
}

/// A service whose connections break. Its byte at position `n` is `n % 251`.
#[derive(Default)]
struct Service {
    size: AtomicU64,
    knows_size: bool,
    faults: Mutex<Vec<Fault>>,
    requests: Mutex<Vec<Range<u64>>>,
}

impl Service {
    fn of(size: u64, faults: &[Fault]) -> Arc<Self> {
        let faults = faults.iter().rev().cloned().collect();
        Arc::new(Self {
            size: size.into(),
            faults: Mutex::new(faults),
            ..Self::default()
        })
    }

    fn requests(&self) -> Vec<Range<u64>> {
        self.requests.lock().unwrap().clone()
    }
}

fn content(range: Range<u64>) -> Vec<u8> {
    range
        .map(|position| u8::try_from(position % 251).unwrap())
        .collect()
}

/// A stream that fails at its end.
struct Broken;

impl AsyncRead for Broken {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        let error = io::Error::new(io::ErrorKind::ConnectionReset, "connection reset by peer");
        std::task::Poll::Ready(Err(error))
    }
}

impl InputSource for Arc<Service> {
    fn known_size(&self) -> Option<u64> {
        self.knows_size.then(|| self.size.load(Ordering::SeqCst))
    }

    fn open(&self, range: Range<u64>) -> OpenInput<'_> {
        assert!(!range.is_empty(), "{range:?}");
        self.requests.lock().unwrap().push(range.clone());
        let fault = self.faults.lock().unwrap().pop().unwrap_or(Fault::None);
        let size = self.size.load(Ordering::SeqCst);
        let bytes = content(range.start..range.end.min(size).max(range.start));
        Box::pin(async move {
            let until = |bytes: Vec<u8>, after: u64| {
                io::Cursor::new(bytes[..usize::try_from(after).unwrap()].to_vec())
            };
            let body: InputBody = match fault {
                Fault::Fail(error) => return Err(error),
                Fault::Break(after) => {
                    Box::pin(tokio::io::BufReader::new(until(bytes, after).chain(Broken)))
                }
                Fault::End(after) => Box::pin(until(bytes, after)),
                Fault::None => Box::pin(io::Cursor::new(bytes)),
            };
            Ok(InputPart { size, body })
        })
    }
}

const FIRST: u64 = FIRST_PART_BYTES;
const LARGE: u64 = FIRST + 1000;

fn unavailable() -> Fault {
    Fault::Fail(InputError::unavailable(&"503 SlowDown"))
}

fn job(service: &Arc<Service>) -> JobInput {
    JobInput::from_source("job-1", Arc::clone(service), "text/plain")
}

async fn read(reader: &mut InputReader) -> Result<Vec<u8>, InputError> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).await.map_err(input_error)?;
    Ok(bytes)
}

#[tokio::test]
async fn small_input_is_one_request_however_it_is_read() {
    let service = Service::of(1000, &[]);
    let job = job(&service);
    assert!(service.requests().is_empty());
    let stage = job.for_stage();
    assert_eq!(stage.bytes().await.unwrap(), content(0..1000));
    assert_eq!(stage.size().await.unwrap(), 1000);
    assert_eq!(stage.range(990..1000).await.unwrap(), content(990..1000));
    let next = job.for_stage();
    assert_eq!(read(&mut next.reader()).await.unwrap(), content(0..1000));
    assert_eq!(
        std::fs::read(next.file().await.unwrap()).unwrap(),
        content(0..1000)
    );
    assert_eq!(service.requests(), std::slice::from_ref(&(0..FIRST)));
}

#[tokio::test]
async fn large_input_is_streamed_after_its_first_part() {
    let service = Service::of(LARGE, &[]);
    let job = job(&service);
    assert_eq!(read(&mut job.reader()).await.unwrap(), content(0..LARGE));
    assert_eq!(service.requests(), [0..FIRST, FIRST..LARGE]);
    assert_eq!(job.bytes().await.unwrap(), content(0..LARGE));
    assert_eq!(service.requests().len(), 3);
}

#[tokio::test]
async fn range_of_an_input_of_known_size_is_one_request() {
    let service = Arc::new(Service {
        size: LARGE.into(),
        knows_size: true,
        ..Service::default()
    });
    let job = job(&service);
    assert_eq!(job.size().await.unwrap(), LARGE);
    assert!(service.requests().is_empty());
    let range = LARGE - 10..LARGE;
    assert_eq!(
        job.range(range.clone()).await.unwrap(),
        content(range.clone())
    );
    assert_eq!(service.requests(), [range]);
}

#[tokio::test(start_paused = true)]
async fn reader_continues_with_the_next_byte_after_a_broken_connection() {
    let faults = [
        Fault::None,
        Fault::Break(300),
        unavailable(),
        Fault::End(100),
        Fault::Break(0),
    ];
    let service = Service::of(LARGE, &faults);
    let mut reader = job(&service).reader();
    assert_eq!(read(&mut reader).await.unwrap(), content(0..LARGE));
    assert_eq!(reader.position(), LARGE);
    let starts: Vec<_> = service.requests().iter().map(|range| range.start).collect();
    assert_eq!(
        starts,
        [0, FIRST, FIRST + 300, FIRST + 300, FIRST + 400, FIRST + 400]
    );
}

#[tokio::test(start_paused = true)]
async fn reader_fails_after_attempts_without_a_byte() {
    let faults = vec![unavailable(); 50];
    let service = Service::of(
        LARGE,
        &[&[Fault::None, Fault::Break(10)], &faults[..]].concat(),
    );
    let job = job(&service);
    let mut reader = job.reader();
    let mut bytes = Vec::new();
    let error = reader.read_to_end(&mut bytes).await.unwrap_err();
    assert_eq!(bytes.len() as u64, FIRST + 10);
    assert_eq!(
        error.to_string(),
        "the input could not be read: 503 SlowDown"
    );
    // The connection that broke counts as the first failed attempt.
    assert_eq!(service.requests().len(), 2 + READ_ATTEMPTS as usize - 1);
    assert!(job.retryable_failure().is_some());
    assert!(job.for_stage().retryable_failure().is_none());
    // A stage that tries again goes on where it was.
    service.faults.lock().unwrap().clear();
    assert_eq!(read(&mut reader).await.unwrap(), content(FIRST + 10..LARGE));
}

#[tokio::test(start_paused = true)]
async fn first_part_is_read_again_after_a_broken_connection() {
    let service = Service::of(1000, &[Fault::Break(10), Fault::End(20), unavailable()]);
    assert_eq!(job(&service).bytes().await.unwrap(), content(0..1000));
    let service = Service::of(1000, &vec![unavailable(); 50]);
    let error = job(&service).bytes().await.unwrap_err();
    assert!(error.is_retryable());
    assert_eq!(service.requests().len(), READ_ATTEMPTS as usize);
}

#[tokio::test]
async fn missing_input_is_not_requested_again() {
    let missing = InputError::NotFound {
        cause: "NoSuchKey".to_owned(),
    };
    let service = Service::of(1000, &[Fault::Fail(missing.clone())]);
    assert_eq!(job(&service).bytes().await.unwrap_err(), missing);
    assert_eq!(service.requests().len(), 1);
}

#[tokio::test]
async fn replaced_input_is_noticed_and_not_mixed() {
    let service = Service::of(LARGE, &[]);
    let job = job(&service);
    let mut reader = job.reader();
    reader.read_u8().await.unwrap();
    service.size.store(LARGE + 1, Ordering::SeqCst);
    assert_eq!(read(&mut reader).await.unwrap_err(), InputError::Replaced);
    assert!(job.retryable_failure().is_none());
}

#[tokio::test]
async fn size_limit_of_bytes_is_named() {
    let job = JobInput::new("job-1", "0123456789", "text/plain");
    assert_eq!(job.bytes_up_to(10).await.unwrap(), "0123456789");
    let error = job.bytes_up_to(9).await.unwrap_err();
    assert_eq!(error, InputError::TooLarge { size: 10, limit: 9 });
    assert!(error.to_string().contains("10 bytes") && error.to_string().contains("limit is 9"));
}

#[tokio::test]
async fn range_outside_of_the_input_is_named() {
    let job = JobInput::new("job-1", "abc", "text/plain");
    assert_eq!(job.range(3..3).await.unwrap(), "");
    for range in [2..4, 4..4, Range { start: 2, end: 1 }] {
        let error = job.range(range.clone()).await.unwrap_err();
        let Range { start, end } = range;
        assert_eq!(
            error,
            InputError::OutOfRange {
                start,
                end,
                size: 3
            }
        );
    }
    let error = read(&mut job.reader_from(4)).await.unwrap_err();
    assert!(matches!(
        error,
        InputError::OutOfRange {
            start: 4,
            size: 3,
            ..
        }
    ));
}

#[tokio::test]
async fn reader_continues_where_another_has_stopped() {
    for (size, stop) in [
        (10, 4),
        (10, 10),
        (LARGE, 7),
        (LARGE, FIRST),
        (LARGE, LARGE - 1),
    ] {
        let job = job(&Service::of(size, &[]));
        let mut first = job.reader();
        let skipped = (&mut first).take(stop).read_to_end(&mut Vec::new()).await;
        assert_eq!(skipped.unwrap() as u64, stop);
        let mut second = job.reader_from(first.position());
        assert_eq!(read(&mut second).await.unwrap(), content(stop..size));
    }
}

#[tokio::test]
async fn empty_input_has_no_bytes() {
    for job in [
        JobInput::new("job-1", "", "text/plain"),
        job(&Service::of(0, &[])),
    ] {
        assert_eq!(job.size().await.unwrap(), 0);
        assert!(job.bytes().await.unwrap().is_empty());
        assert!(job.range(0..0).await.unwrap().is_empty());
        assert!(read(&mut job.reader()).await.unwrap().is_empty());
        assert!(std::fs::read(job.file().await.unwrap()).unwrap().is_empty());
    }
}

#[tokio::test]
async fn temporary_file_is_shared_by_stages_and_removed_after_the_run() {
    let service = Service::of(LARGE, &[]);
    let job = job(&service);
    let file = job.for_stage().file().await.unwrap();
    let path = job.for_stage().file().await.unwrap().to_path_buf();
    assert_eq!(*file, *path);
    assert_eq!(std::fs::read(&path).unwrap(), content(0..LARGE));
    assert_eq!(service.requests().len(), 2);
    drop(job);
    assert!(path.exists(), "a stage may still read it");
    drop(file);
    assert!(!path.exists());
}

#[tokio::test]
async fn input_larger_than_the_temporary_storage_is_refused_at_once() {
    let service = Service::of(LARGE, &[]);
    let job = job(&service).with_temporary_storage(LARGE - 1, "declare more of it");
    let error = job.file().await.unwrap_err();
    assert_eq!(error.code(), "input_too_large_for_storage");
    let message = error.to_string();
    assert!(message.contains(&LARGE.to_string()) && message.ends_with("declare more of it"));
    assert_eq!(service.requests(), std::slice::from_ref(&(0..FIRST)));
}

#[tokio::test]
async fn given_file_is_read_in_place_and_kept() {
    let path = std::env::temp_dir().join(format!("stage-pipeline-test-{}", std::process::id()));
    std::fs::write(&path, "one\ntwo\n").unwrap();
    let job = JobInput::from_file("job-1", &path, "text/plain");
    assert_eq!(job.size().await.unwrap(), 8);
    assert_eq!(job.range(4..7).await.unwrap(), "two");
    let mut lines = job.reader().lines();
    assert_eq!(lines.next_line().await.unwrap().unwrap(), "one");
    assert_eq!(*job.file().await.unwrap(), *path);
    drop(job);
    std::fs::remove_file(&path).unwrap();
    let missing = JobInput::from_file("job-1", &path, "text/plain");
    let error = missing.bytes().await.unwrap_err();
    assert!(
        matches!(&error, InputError::File { path: named, .. } if *named == path),
        "{error}"
    );
}

/// Reads the input, and makes something of the error.
struct Reading(fn(InputError) -> Result<(), StageError>);

impl Stage for Reading {
    type Input = ();
    type Output = ();
    const NAME: &'static str = "reading";

    async fn run(&self, job: JobInput, (): (), _: &Progress) -> Result<(), StageError> {
        match job.bytes_up_to(2000).await {
            Ok(_) => Ok(()),
            Err(error) => (self.0)(error),
        }
    }
}

async fn run(service: &Arc<Service>, stage: Reading) -> Result<(), RunError> {
    Pipeline::new().then(stage).run(job(service)).await
}

#[tokio::test]
async fn stage_that_could_not_read_fails_with_that_error_whatever_it_returns() {
    let missing = InputError::NotFound {
        cause: "NoSuchKey".to_owned(),
    };
    let stages: [fn(InputError) -> Result<(), StageError>; 3] = [
        |error| Err(error.into()),
        |error| Err(StageError::failed("no_csv", error.to_string())),
        |error| panic!("{error}"),
    ];
    for stage in stages {
        let service = Service::of(1000, &[Fault::Fail(missing.clone())]);
        let Err(RunError::Failed { failure, .. }) = run(&service, Reading(stage)).await else {
            panic!("the stage fails");
        };
        assert_eq!(failure, StageFailure::Input(missing.clone()));
    }
    // A stage may do without its input.
    let service = Service::of(1000, &[Fault::Fail(missing)]);
    run(&service, Reading(|_| Ok(()))).await.unwrap();
}

#[tokio::test]
async fn errors_of_readers_become_stage_errors() {
    let error = InputError::Replaced;
    let through_io = StageError::from(io::Error::from(error.clone()));
    assert!(matches!(through_io, StageError::Input(it) if it == error));
    let other = StageError::from(io::Error::from(io::ErrorKind::PermissionDenied));
    assert!(matches!(other, StageError::Failed { code, .. } if code == "io_error"));
    let service = Service::of(5000, &[]);
    let Err(RunError::Failed { failure, .. }) =
        run(&service, Reading(|error| Err(error.into()))).await
    else {
        panic!("the input is too large for this stage");
    };
    let (size, limit) = (5000, 2000);
    assert_eq!(
        failure,
        StageFailure::Input(InputError::TooLarge { size, limit })
    );
}
