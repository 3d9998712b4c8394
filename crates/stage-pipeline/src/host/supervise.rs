//! Waits for a running stage, and calls the host meanwhile.

use std::{future::pending, time::Duration};

use tokio::time::Instant;

use super::{
    executor::{RunningStage, StageExecutor, StagePanic},
    interface::Host,
    reporter::Reporter,
};
use crate::progress::ProgressFeed;

/// The end of the wait for a stage. `S` is the host's [`Stop`](Host::Stop).
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Supervised<T, S> {
    /// The stage has returned, or panicked.
    Ended(Result<T, StagePanic>),
    /// The stage took longer than its time limit, and was asked to stop.
    TimedOut(Duration),
    /// The stage was asked to stop. A late result is discarded.
    Stopped(S),
}

/// Waits for `stage`, for at most `time_limit`. Meanwhile, publishes its reports, stores its checkpoints,
/// records its artifacts and polls the host, also while the stage blocks its thread.
pub(super) async fn supervise<T, H: Host>(
    executor: &StageExecutor,
    mut stage: RunningStage<T>,
    time_limit: Option<Duration>,
    reporter: &mut Reporter<'_>,
    host: &mut H,
) -> Supervised<T, H::Stop> {
    let mut guard = CancelOnDrop(Some(reporter.feed().clone()));
    let mut is_interrupted = false;
    let hand_on_at = host.hand_on_at();
    let supervised = loop {
        let is_handing_on = reporter.feed().is_handing_on();
        let called = tokio::select! {
            biased;
            outcome = stage.outcome() => {
                guard.0 = None;
                return Supervised::Ended(outcome);
            }
            stop = host.interrupted() => {
                is_interrupted = true;
                break Supervised::Stopped(stop);
            }
            limit = reporter.reached(time_limit) => break Supervised::TimedOut(limit),
            () = due(hand_on_at), if !is_handing_on => {
                reporter.feed().set_handing_on(true);
                continue;
            }
            () = reporter.checkpoint_due() => reporter.store_checkpoint(host).await,
            () = reporter.due() => reporter.poll(host).await,
            // After the heartbeat, so that many artifacts do not delay it.
            () = reporter.attachment_due() => reporter.record_attachment(host).await,
        };
        if let Some(stop) = called.break_value() {
            break Supervised::Stopped(stop);
        }
    };
    drop(guard);
    executor.stop(stage).await;
    if is_interrupted {
        // The run stops in any case.
        let _ = reporter.store_checkpoint(host).await;
    }
    supervised
}

/// Waits until `time`; forever if there is none.
async fn due(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => pending().await,
    }
}

/// Cancels a stage when it is dropped, also because the run is: none if the stage has ended.
struct CancelOnDrop(Option<ProgressFeed>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(feed) = &self.0 {
            feed.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        ops::ControlFlow,
        sync::{
            Arc, Mutex,
            atomic::{AtomicBool, AtomicU32, Ordering},
        },
    };

    use tracing::Span;

    use super::{
        super::{
            interface::{FinishedStage, Intervals},
            reporter::Stopwatch,
        },
        *,
    };
    use crate::{
        checkpoint::StageCheckpoint, error::StageError, estimate::Estimate, progress::Progress,
        retry::StageRetry, update::ProgressUpdate, weight::StageWeight,
    };

    /// Longest time that a stage of these tests blocks its thread when its run makes no progress.
    const GIVE_UP: Duration = Duration::from_secs(20);

    const HEARTBEAT: Duration = Duration::from_secs(10);

    /// Why the host of these tests stops a run.
    #[derive(Debug, PartialEq, Eq)]
    enum Stop {
        Cancelled,
        OutOfTime,
    }

    /// Records what is published, and when.
    #[derive(Clone, Debug)]
    struct Recorder {
        published: Arc<Mutex<Vec<(Instant, u8)>>>,
        is_cancelled: bool,
        deadline: Instant,
    }

    impl Default for Recorder {
        fn default() -> Self {
            Self {
                published: Arc::default(),
                is_cancelled: false,
                deadline: Instant::now() + Duration::from_hours(24),
            }
        }
    }

    impl Recorder {
        fn published(&self) -> Vec<(Instant, u8)> {
            self.published.lock().expect("no panic").clone()
        }

        fn check(&self) -> ControlFlow<Stop> {
            if self.is_cancelled {
                ControlFlow::Break(Stop::Cancelled)
            } else {
                ControlFlow::Continue(())
            }
        }
    }

    impl Host for Recorder {
        type Stop = Stop;

        fn intervals(&self) -> Intervals {
            Intervals {
                heartbeat: HEARTBEAT,
                ..Intervals::default()
            }
        }

        async fn publish(&mut self, update: &ProgressUpdate) -> ControlFlow<Stop> {
            let report = (Instant::now(), update.percent);
            self.published.lock().expect("no panic").push(report);
            self.check()
        }

        async fn poll(&mut self) -> ControlFlow<Stop> {
            self.check()
        }

        async fn interrupted(&mut self) -> Stop {
            tokio::time::sleep_until(self.deadline).await;
            Stop::OutOfTime
        }

        async fn retry(&mut self, retry: StageRetry, _: &ProgressUpdate) -> ControlFlow<Stop> {
            panic!("no stage of these tests is attempted again: {retry}")
        }

        async fn finish_stage(&mut self, _: FinishedStage) -> ControlFlow<Stop> {
            ControlFlow::Continue(())
        }
    }

    /// Blocks the thread, as a loop without `.await` does, until `condition` holds. False after
    /// [`GIVE_UP`].
    fn block_until(condition: impl Fn() -> bool) -> bool {
        let start = std::time::Instant::now();
        while !condition() {
            if start.elapsed() > GIVE_UP {
                return false;
            }
            std::hint::spin_loop();
        }
        true
    }

    /// Supervises a stage that runs `work` without yielding.
    async fn run<T: Send + 'static>(
        executor: &StageExecutor,
        recorder: &Recorder,
        work: impl FnOnce(Progress) -> T + Send + 'static,
    ) -> Supervised<T, Stop> {
        let (progress, feed) = Progress::new();
        let mut estimate = Estimate::default();
        let weight = StageWeight {
            done: 0,
            stage: 1,
            all: 1,
        };
        let (intervals, clock) = (recorder.intervals(), Stopwatch::continued(Duration::ZERO));
        let mut reporter =
            Reporter::new("a", weight, intervals, feed, &mut estimate, (clock, clock));
        let stage = executor
            .start("a", Span::none(), async move { work(progress) })
            .expect("a thread");
        supervise(executor, stage, None, &mut reporter, &mut recorder.clone()).await
    }

    #[tokio::test(start_paused = true)]
    async fn stage_that_spins_for_minutes_does_not_delay_heartbeats() {
        let executor = StageExecutor::new().expect("a runtime");
        let recorder = Recorder::default();
        let watched = recorder.clone();
        let start = Instant::now();
        // The paused clock advances when the run waits. The stage spins until nine heartbeats are due.
        let outcome = run(&executor, &recorder, move |_progress| {
            block_until(|| {
                let published = watched.published();
                published
                    .last()
                    .is_some_and(|(at, _)| *at > start + 9 * HEARTBEAT)
            })
        })
        .await;
        assert_eq!(outcome, Supervised::Ended(Ok(true)));
        let poll = recorder.intervals().poll;
        let mut last = start;
        for (at, _) in recorder.published() {
            assert!(at - last <= HEARTBEAT + poll, "{:?} without one", at - last);
            last = at;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn reports_of_a_stage_that_never_yields_are_published() {
        let executor = StageExecutor::new().expect("a runtime");
        let recorder = Recorder::default();
        let watched = recorder.clone();
        let outcome = run(&executor, &recorder, move |progress| {
            [10, 50, 90].into_iter().all(|percent| {
                progress.report(percent, "Working...");
                block_until(|| watched.published().iter().any(|(_, it)| *it == percent))
            })
        })
        .await;
        assert_eq!(outcome, Supervised::Ended(Ok(true)));
    }

    #[tokio::test(start_paused = true)]
    async fn cancellation_does_not_wait_for_a_stage_that_never_checks() {
        let executor = StageExecutor::new().expect("a runtime");
        let recorder = Recorder {
            is_cancelled: true,
            ..Recorder::default()
        };
        let released = Arc::new(AtomicBool::new(false));
        let by_the_stage = Arc::clone(&released);
        let start = Instant::now();
        let outcome = run(&executor, &recorder, move |_progress| {
            block_until(|| by_the_stage.load(Ordering::Acquire))
        })
        .await;
        assert_eq!(outcome, Supervised::Stopped(Stop::Cancelled));
        assert!(start.elapsed() < Duration::from_secs(5));
        assert_eq!(executor.stuck(Duration::ZERO).await, ["a"]);
        released.store(true, Ordering::Release);
    }

    /// Hands the stage on after ten seconds, and records what it is given.
    #[derive(Default)]
    struct HandsOn {
        at: Option<Instant>,
        stored: Vec<String>,
    }

    impl Host for HandsOn {
        type Stop = Stop;

        fn hand_on_at(&self) -> Option<Instant> {
            self.at
        }

        async fn publish(&mut self, _: &ProgressUpdate) -> ControlFlow<Stop> {
            ControlFlow::Continue(())
        }

        async fn interrupted(&mut self) -> Stop {
            pending().await
        }

        async fn retry(&mut self, retry: StageRetry, _: &ProgressUpdate) -> ControlFlow<Stop> {
            panic!("no stage of these tests is attempted again: {retry}")
        }

        async fn checkpoint(
            &mut self,
            checkpoint: StageCheckpoint,
            update: &ProgressUpdate,
        ) -> ControlFlow<Stop> {
            assert_eq!(checkpoint.percent, update.percent);
            self.stored.push(checkpoint.state.get().to_owned());
            match self.at {
                Some(at) if Instant::now() >= at => ControlFlow::Break(Stop::OutOfTime),
                _ => ControlFlow::Continue(()),
            }
        }

        async fn finish_stage(&mut self, _: FinishedStage) -> ControlFlow<Stop> {
            ControlFlow::Continue(())
        }
    }

    /// Supervises a stage that stores a checkpoint whenever `next` returns a state.
    async fn run_with_checkpoints(
        host: &mut HandsOn,
        limit: Option<Duration>,
        next: impl Fn(u32) -> Option<u32> + Send + 'static,
    ) -> Supervised<Result<(), StageError>, Stop> {
        let executor = StageExecutor::new().expect("a runtime");
        let (progress, feed) = Progress::new();
        let mut estimate = Estimate::default();
        let weight = StageWeight {
            done: 0,
            stage: 1,
            all: 1,
        };
        let clock = Stopwatch::continued(Duration::from_secs(3));
        let intervals = host.intervals();
        let mut reporter =
            Reporter::new("a", weight, intervals, feed, &mut estimate, (clock, clock));
        let work = async move {
            let mut last = 0;
            loop {
                progress.check_cancelled()?;
                if let Some(state) = next(last) {
                    last = state;
                    progress.checkpoint(&state).await?;
                }
                std::thread::yield_now();
            }
        };
        let stage = executor.start("a", Span::none(), work).expect("a thread");
        supervise(&executor, stage, limit, &mut reporter, host).await
    }

    #[tokio::test(start_paused = true)]
    async fn stage_is_handed_on_at_its_next_checkpoint() {
        let start = Instant::now();
        let mut host = HandsOn {
            at: Some(start + Duration::from_secs(10)),
            ..HandsOn::default()
        };
        let offered = Arc::new(AtomicU32::new(0));
        let by_the_stage = Arc::clone(&offered);
        let next = move |last| {
            by_the_stage.store(last + 1, Ordering::Release);
            Some(last + 1)
        };
        let outcome = run_with_checkpoints(&mut host, None, next).await;
        assert_eq!(outcome, Supervised::Stopped(Stop::OutOfTime));
        let last = offered.load(Ordering::Acquire).to_string();
        assert_eq!(host.stored.last(), Some(&last), "no work is repeated");
        // At most one a second, and the one at which it was handed on.
        assert!(host.stored.len() <= 12, "{:?}", host.stored);
    }

    #[tokio::test(start_paused = true)]
    async fn time_limit_counts_the_runs_before() {
        let start = Instant::now();
        let mut host = HandsOn::default();
        let limit = Duration::from_secs(10);
        let outcome = run_with_checkpoints(&mut host, Some(limit), |_| None).await;
        assert_eq!(outcome, Supervised::TimedOut(limit));
        // The paused clock may also pass the time that the stage has to stop.
        let seven = Duration::from_secs(7);
        assert!((seven..=limit).contains(&start.elapsed()));
    }

    #[tokio::test(start_paused = true)]
    async fn deadline_does_not_wait_for_a_stage_that_never_yields() {
        let executor = StageExecutor::new().expect("a runtime");
        let released = Arc::new(AtomicBool::new(false));
        let by_the_stage = Arc::clone(&released);
        let recorder = Recorder {
            deadline: Instant::now() + Duration::from_mins(10),
            ..Recorder::default()
        };
        let outcome = run(&executor, &recorder, move |progress| {
            block_until(|| progress.is_cancelled());
            block_until(|| by_the_stage.load(Ordering::Acquire))
        })
        .await;
        assert_eq!(outcome, Supervised::Stopped(Stop::OutOfTime));
        released.store(true, Ordering::Release);
    }
}
