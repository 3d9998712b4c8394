//! Waits for a running stage and publishes its progress meanwhile.

use tokio::time::Instant;

use super::{
    executor::{RunningStage, StageExecutor, StagePanic},
    reporter::{PublishesProgress, Reporter, Stopped},
};

/// The end of the wait for a stage.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Supervised<T> {
    /// The stage has returned, or panicked.
    Ended(Result<T, StagePanic>),
    /// The stage was asked to stop. A late result is discarded.
    Stopped(Stopped),
    /// The deadline was reached, and the stage was asked to stop.
    OutOfTime,
}

/// Waits for `stage` until `deadline`. Meanwhile, publishes its reports, renews the lease and checks for a
/// cancellation, also while the stage blocks its thread.
pub(super) async fn supervise<T, P: PublishesProgress>(
    executor: &StageExecutor,
    mut stage: RunningStage<T>,
    deadline: Instant,
    reporter: &mut Reporter<'_>,
    publisher: &mut P,
) -> Supervised<T> {
    let stopped = loop {
        tokio::select! {
            biased;
            outcome = stage.outcome() => return Supervised::Ended(outcome),
            () = tokio::time::sleep_until(deadline) => break None,
            () = reporter.due() => {}
        }
        if let Some(stopped) = reporter.poll(publisher).await {
            break Some(stopped);
        }
    };
    reporter.cancel_stage();
    executor.stop(stage).await;
    stopped.map_or(Supervised::OutOfTime, Supervised::Stopped)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc, Mutex,
            atomic::{AtomicBool, Ordering},
        },
        time::Duration,
    };

    use contract::{limits::LEASE_SECONDS, messages::JobStatus};
    use tracing::Span;

    use super::{super::reporter::StageWeight, *};
    use crate::{
        delivery::{LeaseStatus, PublishError},
        progress::{Estimate, Progress},
        stores::ProgressPoint,
    };

    /// Longest time that a stage of these tests blocks its thread when the runner makes no progress.
    const GIVE_UP: Duration = Duration::from_secs(20);

    /// Records what is published, and when.
    #[derive(Clone, Debug, Default)]
    struct Recorder {
        published: Arc<Mutex<Vec<(Instant, u8)>>>,
        cancel_requested: bool,
    }

    impl Recorder {
        fn published(&self) -> Vec<(Instant, u8)> {
            self.published.lock().expect("no panic").clone()
        }

        fn lease_status(&self) -> LeaseStatus {
            LeaseStatus {
                status: JobStatus::Running,
                cancel_requested: self.cancel_requested,
            }
        }
    }

    impl PublishesProgress for Recorder {
        async fn report(&mut self, point: &ProgressPoint) -> Result<LeaseStatus, PublishError> {
            let report = (Instant::now(), point.progress);
            self.published.lock().expect("no panic").push(report);
            Ok(self.lease_status())
        }

        async fn poll_cancellation(&self) -> Result<LeaseStatus, PublishError> {
            Ok(self.lease_status())
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
        deadline: Instant,
        work: impl FnOnce(Progress) -> T + Send + 'static,
    ) -> Supervised<T> {
        let (progress, feed) = Progress::new();
        let mut estimate = Estimate::default();
        let weight = StageWeight {
            done: 0,
            stage: 1,
            all: 1,
        };
        let mut reporter = Reporter::new("a", weight, feed, &mut estimate, Instant::now());
        let stage = executor
            .start("a", Span::none(), async move { work(progress) })
            .expect("a thread");
        let mut publisher = recorder.clone();
        supervise(executor, stage, deadline, &mut reporter, &mut publisher).await
    }

    fn never() -> Instant {
        Instant::now() + Duration::from_hours(24)
    }

    #[tokio::test(start_paused = true)]
    async fn stage_that_spins_for_longer_than_a_lease_keeps_the_lease() {
        let lease = Duration::from_secs(LEASE_SECONDS.unsigned_abs());
        let executor = StageExecutor::new().expect("a runtime");
        let recorder = Recorder::default();
        let watched = recorder.clone();
        let start = Instant::now();
        // The paused clock advances when the runner waits. The stage spins until three leases are over.
        let outcome = run(&executor, &recorder, never(), move |_progress| {
            block_until(|| {
                let published = watched.published();
                published
                    .last()
                    .is_some_and(|(at, _)| *at > start + 3 * lease)
            })
        })
        .await;
        assert_eq!(outcome, Supervised::Ended(Ok(true)));
        let mut renewed = start;
        for (at, _) in recorder.published() {
            assert!(at - renewed < lease, "a lease ended between two renewals");
            renewed = at;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn reports_of_a_stage_that_never_yields_are_published() {
        let executor = StageExecutor::new().expect("a runtime");
        let recorder = Recorder::default();
        let watched = recorder.clone();
        let outcome = run(&executor, &recorder, never(), move |progress| {
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
            cancel_requested: true,
            ..Recorder::default()
        };
        let released = Arc::new(AtomicBool::new(false));
        let by_the_stage = Arc::clone(&released);
        let start = Instant::now();
        let outcome = run(&executor, &recorder, never(), move |_progress| {
            block_until(|| by_the_stage.load(Ordering::Acquire))
        })
        .await;
        assert_eq!(outcome, Supervised::Stopped(Stopped::Cancelled));
        assert!(start.elapsed() < Duration::from_secs(5));
        assert_eq!(executor.stuck(Duration::ZERO).await, ["a"]);
        released.store(true, Ordering::Release);
    }

    #[tokio::test(start_paused = true)]
    async fn deadline_does_not_wait_for_a_stage_that_never_yields() {
        let executor = StageExecutor::new().expect("a runtime");
        let released = Arc::new(AtomicBool::new(false));
        let by_the_stage = Arc::clone(&released);
        let deadline = Instant::now() + Duration::from_mins(10);
        let outcome = run(&executor, &Recorder::default(), deadline, move |progress| {
            block_until(|| progress.is_cancelled());
            block_until(|| by_the_stage.load(Ordering::Acquire))
        })
        .await;
        assert_eq!(outcome, Supervised::OutOfTime);
        released.store(true, Ordering::Release);
    }
}
