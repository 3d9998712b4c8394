//! Runs stages on threads and a tokio runtime that only stages use.
//!
//! A stage may compute or block for any time. The run, its host's timers and connections are on another
//! thread and another runtime, so reports, heartbeats, cancellation and deadlines do not depend on
//! the code of a stage.

use std::{
    any::Any,
    convert::Infallible,
    future::Future,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::{Builder, EnterGuard, Runtime},
    sync::oneshot,
};
use tracing::{Instrument as _, Span};

/// How long a stage that was asked to stop may take before it is abandoned.
const GRACE: Duration = Duration::from_secs(2);

/// Starts stages, and keeps the stages that did not stop when they were asked to.
#[derive(Debug)]
pub(super) struct StageExecutor {
    /// Shared with the threads of stages: a timer that a stage creates would panic without it.
    runtime: Arc<StageRuntime>,
    abandoned: Mutex<Vec<Abandoned>>,
}

/// The stages' runtime.
#[derive(Debug)]
struct StageRuntime {
    /// None only while it is dropped.
    runtime: Option<Runtime>,
}

/// A stage on its thread. Dropping it aborts the stage at its next `.await`.
#[derive(Debug)]
pub(super) struct RunningStage<T> {
    name: &'static str,
    outcome: oneshot::Receiver<Result<T, StagePanic>>,
    /// Aborts the stage when it is dropped.
    abort: oneshot::Sender<Infallible>,
    /// Closed when the thread ends.
    thread: oneshot::Receiver<Infallible>,
}

/// A stage has panicked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StagePanic {
    /// The panic's message, if it has one.
    pub(super) message: Option<String>,
}

/// A stage whose run has ended while its thread was still busy.
#[derive(Debug)]
struct Abandoned {
    stage: &'static str,
    thread: oneshot::Receiver<Infallible>,
}

impl StageExecutor {
    /// Starts the stages' runtime.
    pub(super) fn new() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .thread_name("stages")
            .enable_all()
            .build()?;
        Ok(Self {
            runtime: Arc::new(StageRuntime {
                runtime: Some(runtime),
            }),
            abandoned: Mutex::default(),
        })
    }

    /// Makes the stages' runtime the current one for as long as the guard lives.
    pub(super) fn enter(&self) -> EnterGuard<'_> {
        self.runtime.get().enter()
    }

    /// Runs `stage` on a new thread, within `span` and the stages' runtime. Its result is that of
    /// [`RunningStage::outcome`].
    pub(super) fn start<T, S>(
        &self,
        name: &'static str,
        span: Span,
        stage: S,
    ) -> io::Result<RunningStage<T>>
    where
        T: Send + 'static,
        S: Future<Output = T> + Send + 'static,
    {
        let runtime = Arc::clone(&self.runtime);
        let (send_outcome, outcome) = oneshot::channel();
        let (abort, aborted) = oneshot::channel::<Infallible>();
        let (thread_alive, thread) = oneshot::channel::<Infallible>();
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                // Dropped when the thread ends, also by a panic.
                let _thread_alive = thread_alive;
                let run = async {
                    tokio::select! {
                        biased;
                        _ = aborted => None,
                        result = stage => Some(result),
                    }
                };
                let handle = runtime.get().handle();
                let caught =
                    catch_unwind(AssertUnwindSafe(|| handle.block_on(run.instrument(span))));
                let outcome = match caught {
                    Ok(Some(result)) => Ok(result),
                    Ok(None) => return,
                    Err(panic) => Err(StagePanic::of(panic.as_ref())),
                };
                // An abandoned stage has no receiver, so its late result is discarded.
                let _ = send_outcome.send(outcome);
            })?;
        Ok(RunningStage {
            name,
            outcome,
            abort,
            thread,
        })
    }

    /// Waits for a stage that was asked to stop. After [`GRACE`], the stage is aborted at its next `.await`.
    /// A stage that blocks its thread is abandoned: its result and its reports are discarded.
    pub(super) async fn stop<T>(&self, mut stage: RunningStage<T>) {
        if tokio::time::timeout(GRACE, &mut stage.thread).await.is_ok() {
            return;
        }
        drop(stage.abort);
        let mut abandoned = self.abandoned();
        abandoned.retain_mut(Abandoned::is_running);
        abandoned.push(Abandoned {
            stage: stage.name,
            thread: stage.thread,
        });
    }

    /// Waits up to `limit` for the threads of abandoned stages to end. Returns the names of the stages whose
    /// threads still run.
    pub(super) async fn stuck(&self, limit: Duration) -> Vec<&'static str> {
        let mut abandoned = std::mem::take(&mut *self.abandoned());
        let ended = async {
            for it in &mut abandoned {
                // The channel carries no value: it is closed when the thread ends.
                let _ = (&mut it.thread).await;
            }
        };
        // A timeout is no error: the stages that still run are returned below.
        let _ = tokio::time::timeout(limit, ended).await;
        abandoned.retain_mut(Abandoned::is_running);
        let stuck = abandoned.iter().map(|it| it.stage).collect();
        self.abandoned().append(&mut abandoned);
        stuck
    }

    fn abandoned(&self) -> std::sync::MutexGuard<'_, Vec<Abandoned>> {
        self.abandoned
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl StageRuntime {
    fn get(&self) -> &Runtime {
        self.runtime
            .as_ref()
            .expect("the runtime exists until it is dropped")
    }
}

impl Drop for StageRuntime {
    fn drop(&mut self) {
        // Waiting for the runtime's threads could block this thread forever.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl<T> RunningStage<T> {
    /// The result of the stage. Cancel-safe: may be dropped and called again until it returns.
    pub(super) async fn outcome(&mut self) -> Result<T, StagePanic> {
        let outcome = (&mut self.outcome).await;
        // The thread ended without a result: its panic could not be caught.
        outcome.unwrap_or(Err(StagePanic { message: None }))
    }
}

impl StagePanic {
    fn of(panic: &(dyn Any + Send)) -> Self {
        let message = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned());
        Self { message }
    }
}

impl Abandoned {
    fn is_running(&mut self) -> bool {
        matches!(
            self.thread.try_recv(),
            Err(oneshot::error::TryRecvError::Empty)
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use super::*;

    fn executor() -> StageExecutor {
        StageExecutor::new().expect("a runtime")
    }

    /// Blocks its thread until `flag` is set.
    fn block_until(flag: &AtomicBool) {
        while !flag.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[tokio::test]
    async fn stage_may_spawn_tasks_sleep_and_block() {
        let executor = executor();
        let mut stage = executor
            .start("a", Span::none(), async {
                let spawned = tokio::spawn(async {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    1
                });
                let blocking = tokio::task::spawn_blocking(|| 2);
                std::thread::sleep(Duration::from_millis(1));
                spawned.await.expect("a task") + blocking.await.expect("a thread")
            })
            .expect("a thread");
        assert_eq!(stage.outcome().await, Ok(3));
    }

    #[tokio::test]
    async fn panic_is_an_outcome_with_its_message() {
        let executor = executor();
        let mut stage = executor
            .start::<(), _>("a", Span::none(), async { panic!("number {}", 7) })
            .expect("a thread");
        let message = Some("number 7".to_owned());
        assert_eq!(stage.outcome().await, Err(StagePanic { message }));
    }

    #[tokio::test]
    async fn awaiting_stage_is_aborted_and_its_values_are_dropped() {
        let executor = executor();
        let held = Arc::new(());
        let by_the_stage = Arc::clone(&held);
        let stage = executor
            .start("a", Span::none(), async move {
                std::future::pending::<()>().await;
                drop(by_the_stage);
            })
            .expect("a thread");
        let RunningStage { abort, thread, .. } = stage;
        drop(abort);
        assert!(thread.await.is_err(), "the thread has ended");
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn blocking_stage_is_stuck_until_its_thread_ends() {
        let executor = executor();
        let released = Arc::new(AtomicBool::new(false));
        let by_the_stage = Arc::clone(&released);
        let (signal, started) = std::sync::mpsc::channel();
        let stage = executor
            .start("blocking", Span::none(), async move {
                signal.send(()).expect("the test waits");
                block_until(&by_the_stage);
            })
            .expect("a thread");
        // A stage that is stopped before it has begun does not block.
        started
            .recv_timeout(Duration::from_secs(10))
            .expect("the stage begins");
        executor.stop(stage).await;
        assert_eq!(executor.stuck(Duration::ZERO).await, ["blocking"]);
        // Other stages can run meanwhile.
        let mut other = executor
            .start("other", Span::none(), async { 1 })
            .expect("a thread");
        assert_eq!(other.outcome().await, Ok(1));
        released.store(true, Ordering::Release);
        tokio::time::resume();
        let timeout = Duration::from_mins(1);
        assert!(executor.stuck(timeout).await.is_empty());
    }

    #[tokio::test]
    async fn pipeline_may_spawn_tasks_on_the_stages_runtime() {
        let executor = executor();
        let task = {
            let _runtime = executor.enter();
            tokio::spawn(async { std::thread::current().name().map(str::to_owned) })
        };
        assert_eq!(task.await.expect("a task").as_deref(), Some("stages"));
    }
}
