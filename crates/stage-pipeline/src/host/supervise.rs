//! Waits for a running stage, and calls the host meanwhile.

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
    /// The stage was asked to stop. A late result is discarded.
    Stopped(S),
}

/// Waits for `stage`. Meanwhile, publishes its reports and polls the host, also while the stage blocks its
/// thread.
pub(super) async fn supervise<T, H: Host>(
    executor: &StageExecutor,
    mut stage: RunningStage<T>,
    reporter: &mut Reporter<'_>,
    host: &mut H,
) -> Supervised<T, H::Stop> {
    let mut guard = CancelOnDrop(Some(reporter.feed().clone()));
    let stop = loop {
        tokio::select! {
            biased;
            outcome = stage.outcome() => {
                guard.0 = None;
                return Supervised::Ended(outcome);
            }
            stop = host.interrupted() => break stop,
            () = reporter.due() => {}
        }
        if let Some(stop) = reporter.poll(host).await.break_value() {
            break stop;
        }
    };
    drop(guard);
    executor.stop(stage).await;
    Supervised::Stopped(stop)
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
            atomic::{AtomicBool, Ordering},
        },
        time::Duration,
    };

    use tokio::time::Instant;
    use tracing::Span;

    use super::{
        super::interface::{FinishedStage, Intervals},
        *,
    };
    use crate::{
        estimate::Estimate, progress::Progress, update::ProgressUpdate, weight::StageWeight,
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
        let (intervals, now) = (recorder.intervals(), Instant::now());
        let mut reporter = Reporter::new("a", weight, intervals, feed, &mut estimate, now);
        let stage = executor
            .start("a", Span::none(), async move { work(progress) })
            .expect("a thread");
        supervise(executor, stage, &mut reporter, &mut recorder.clone()).await
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
