//! Runs in this process: output, progress, failures and cancellation.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use stage_pipeline::{
    CancellationToken, JobInput, MAX_ARTIFACTS, Pipeline, Progress, RunError, Stage, StageError,
    StageFailure,
};
use tokio::sync::{Notify, mpsc};

/// Splits the input into words.
struct Split;

impl Stage for Split {
    type Input = ();
    type Output = Vec<String>;
    const NAME: &'static str = "split";

    async fn run(&self, job: JobInput, (): (), _: &Progress) -> Result<Vec<String>, StageError> {
        let bytes = job.bytes().await?;
        let text = String::from_utf8_lossy(&bytes);
        Ok(text.split_whitespace().map(str::to_owned).collect())
    }
}

/// Counts the words, or does what a test wants.
struct Count(Script);

enum Script {
    Succeed,
    Fail,
    Panic,
    PretendCancelled,
    Nest,
    /// Waits for a cancellation, after it has notified the test.
    Wait(Arc<Notify>),
    /// Waits for a token of the test, not for its progress handle.
    WaitForToken(CancellationToken),
    /// Blocks until the flag is set, after it has notified the test.
    Block(Arc<Notify>, Arc<AtomicBool>),
}

impl Stage for Count {
    type Input = Vec<String>;
    type Output = serde_json::Value;
    const NAME: &'static str = "count";

    async fn run(
        &self,
        _: JobInput,
        words: Vec<String>,
        progress: &Progress,
    ) -> Result<serde_json::Value, StageError> {
        match &self.0 {
            Script::Succeed => {}
            Script::Fail => return Err(StageError::failed("no_words", "the text has no words")),
            Script::Panic => panic!("the stage has a bug"),
            Script::PretendCancelled => return Err(stage_pipeline::Cancelled.into()),
            Script::Nest => {
                let nested = |inner, _| serde_json::json!([inner]);
                return Ok((0..200).fold(serde_json::Value::Null, nested));
            }
            Script::Wait(started) => {
                started.notify_one();
                loop {
                    progress.check_cancelled()?;
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            Script::WaitForToken(token) => {
                token.cancelled().await;
                return Err(stage_pipeline::Cancelled.into());
            }
            Script::Block(started, released) => {
                started.notify_one();
                while !released.load(Ordering::Acquire) {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        }
        Ok(words.len().into())
    }
}

fn pipeline(script: Script) -> Pipeline<serde_json::Value> {
    Pipeline::new().then(Split).then(Count(script))
}

fn job() -> JobInput {
    JobInput::new("job-1", "one two three", "text/plain")
}

/// Cancels a run once its stage has started. Returns the end of the run.
async fn cancel_when_started(script: Script, started: &Notify) -> Result<(), RunError> {
    let token = CancellationToken::new();
    let pipeline = pipeline(script);
    let run = pipeline.run(job()).cancel_with(token.clone());
    let run = tokio::spawn(run.into_future());
    started.notified().await;
    token.cancel();
    run.await.expect("no panic").map(drop)
}

fn cancelled_during(end: &Result<(), RunError>) -> &'static str {
    match end {
        Err(RunError::Cancelled { stage }) => stage,
        other => panic!("{other:?}"),
    }
}

fn failure_of(script: Script) -> StageFailure {
    match pipeline(script).run(job()).wait() {
        Err(RunError::Failed {
            stage: "count",
            failure,
        }) => failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn wait_returns_the_output_of_the_last_stage() {
    let words = pipeline(Script::Succeed).run(job()).wait();
    assert_eq!(words.expect("an output"), 3);
}

#[test]
fn pipeline_without_stages_succeeds() {
    Pipeline::new().run(job()).wait().expect("nothing to do");
}

#[tokio::test]
async fn progress_starts_and_ends_with_each_stage() {
    let updates = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&updates);
    let pipeline = pipeline(Script::Succeed);
    let run = pipeline.run(job()).on_progress(move |update| {
        let update = format!(
            "{} {} {}",
            update.stage, update.percent, update.overall_percent
        );
        seen.lock().expect("no panic").push(update);
    });
    run.await.expect("an output");
    let mut updates = updates.lock().expect("no panic");
    // A stage that the machine delays is reported again.
    updates.dedup();
    assert_eq!(
        *updates,
        ["split 0 0", "split 100 50", "count 0 50", "count 100 100"]
    );
}

#[tokio::test]
async fn pipeline_runs_jobs_at_the_same_time() {
    let pipeline = pipeline(Script::Succeed);
    let empty = JobInput::new("job-2", "", "text/plain");
    let (full, empty) = tokio::join!(
        pipeline.run(job()).into_future(),
        pipeline.run(empty).into_future()
    );
    assert_eq!(full.expect("an output"), 3);
    assert_eq!(empty.expect("an output"), 0);
}

#[test]
fn failure_of_a_stage_has_its_code_and_message() {
    let failure = failure_of(Script::Fail);
    assert_eq!(failure.to_string(), "the text has no words (no_words)");
}

#[test]
fn panic_of_a_stage_is_a_failure_with_its_message() {
    let message = Some("the stage has a bug".to_owned());
    assert_eq!(
        failure_of(Script::Panic),
        StageFailure::Panicked { message }
    );
}

#[test]
fn cancelled_stage_of_a_run_that_is_not_cancelled_fails() {
    assert_eq!(
        failure_of(Script::PretendCancelled),
        StageFailure::NotCancelled
    );
}

#[test]
fn results_that_are_nested_too_deep_fail_the_stage() {
    let failure = failure_of(Script::Nest);
    assert!(
        matches!(&failure, StageFailure::UnwritableResults { cause } if cause.contains("200 levels")),
        "{failure}"
    );
}

#[tokio::test]
async fn cancelled_token_ends_the_running_stage() {
    let started = Arc::new(Notify::new());
    let end = cancel_when_started(Script::Wait(Arc::clone(&started)), &started).await;
    assert_eq!(cancelled_during(&end), "count");
}

#[tokio::test]
async fn stage_that_shares_the_token_ends_the_run_as_cancelled() {
    let token = CancellationToken::new();
    let pipeline = pipeline(Script::WaitForToken(token.clone()));
    let run = pipeline.run(job()).cancel_with(token.clone());
    let run = tokio::spawn(run.into_future());
    token.cancel();
    let end = run.await.expect("no panic").map(drop);
    // The run may have seen the token before the second stage, or before the first.
    cancelled_during(&end);
}

#[tokio::test(start_paused = true)]
async fn stage_that_blocks_does_not_delay_a_cancellation() {
    let (started, released) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let script = Script::Block(Arc::clone(&started), Arc::clone(&released));
    let end = cancel_when_started(script, &started).await;
    assert_eq!(cancelled_during(&end), "count");
    released.store(true, Ordering::Release);
}

#[test]
fn run_with_a_cancelled_token_starts_no_stage() {
    let token = CancellationToken::new();
    token.cancel();
    let pipeline = pipeline(Script::Panic);
    let run = pipeline.run(job()).cancel_with(token);
    let run = run.on_progress(|update| panic!("{update:?}"));
    assert_eq!(cancelled_during(&run.wait().map(drop)), "split");
}

#[tokio::test]
async fn dropped_run_cancels_its_stage() {
    /// Notifies the test when the stage has seen the cancellation.
    struct Watch(Arc<Notify>, Arc<Notify>);

    impl Stage for Watch {
        type Input = ();
        type Output = ();
        const NAME: &'static str = "watch";

        async fn run(&self, _: JobInput, (): (), progress: &Progress) -> Result<(), StageError> {
            let Self(started, seen) = self;
            started.notify_one();
            // Blocks, so that the stage is not aborted before it sees the cancellation.
            while !progress.is_cancelled() {
                std::thread::sleep(Duration::from_millis(1));
            }
            seen.notify_one();
            Ok(())
        }
    }

    let (started, seen) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let pipeline = Pipeline::new().then(Watch(Arc::clone(&started), Arc::clone(&seen)));
    let run = tokio::spawn(pipeline.run(job()).into_future());
    started.notified().await;
    run.abort();
    seen.notified().await;
}

#[tokio::test]
async fn dropped_run_aborts_a_stage_that_awaits() {
    /// Sends whether its thread panics, when it is dropped.
    struct Guard(mpsc::UnboundedSender<bool>);

    impl Drop for Guard {
        fn drop(&mut self) {
            let _ = self.0.send(std::thread::panicking());
        }
    }

    struct Sleep(Arc<Notify>, mpsc::UnboundedSender<bool>);

    impl Stage for Sleep {
        type Input = ();
        type Output = ();
        const NAME: &'static str = "sleep";

        async fn run(&self, _: JobInput, (): (), _: &Progress) -> Result<(), StageError> {
            let _guard = Guard(self.1.clone());
            self.0.notify_one();
            tokio::time::sleep(Duration::from_hours(1)).await;
            Ok(())
        }
    }

    let started = Arc::new(Notify::new());
    let (dropped, mut is_dropped) = mpsc::unbounded_channel();
    let pipeline = Pipeline::new().then(Sleep(Arc::clone(&started), dropped));
    let run = tokio::spawn(pipeline.run(job()).into_future());
    started.notified().await;
    run.abort();
    assert_eq!(
        is_dropped.recv().await,
        Some(false),
        "it was aborted in a panic"
    );
}

/// Attaches so many artifacts, numbered from 0, and a file that is larger than a read.
struct Attach(usize);

impl Stage for Attach {
    type Input = ();
    type Output = ();
    const NAME: &'static str = "attach";

    async fn run(&self, _: JobInput, (): (), progress: &Progress) -> Result<(), StageError> {
        let path =
            std::env::temp_dir().join(format!("large-{}-{}.bin", std::process::id(), self.0));
        std::fs::write(&path, vec![7; 3 << 20])?;
        let attached = progress.attach("large.bin", "application/octet-stream", path.as_path());
        assert_eq!(attached.await?.size, 3 << 20);
        std::fs::remove_file(&path)?;
        for number in 0..self.0 {
            // Again, which replaces it.
            for content in ["first", "second"] {
                let name = format!("{number}.txt");
                progress.attach(name, "text/plain", content).await?;
            }
        }
        Ok(())
    }
}

#[tokio::test]
async fn artifacts_of_a_run_are_kept_in_its_folder() {
    let folder = std::env::temp_dir().join(format!("artifacts-{}", std::process::id()));
    let pipeline = Pipeline::new().then(Attach(2));
    let run = pipeline.run(job()).keep_artifacts_in(&folder);
    run.await.expect("the stage succeeds");
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .expect("a folder")
        .map(|entry| entry.expect("a file").file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["0.txt", "1.txt", "large.bin"]);
    let text = std::fs::read_to_string(folder.join("1.txt")).expect("a text");
    assert_eq!(text, "second");
    std::fs::remove_dir_all(folder).expect("the folder can be removed");
}

#[tokio::test]
async fn job_has_at_most_a_hundred_artifacts() {
    let run = Pipeline::new().then(Attach(MAX_ARTIFACTS)).run(job());
    let error = run.await.expect_err("one too many").to_string();
    assert!(error.contains("too_many_artifacts"), "{error}");
    assert!(error.contains("'99.txt'"), "{error}");
}
