//! The subscribers that a publisher posts to itself, and when their list has to be read again.

use std::time::Duration;

use contract::{limits::MAX_DIRECT_SUBSCRIBERS, timestamp::Timestamp};
use tokio::time::Instant;

use crate::models::{Job, Subscriber};

/// Subscribers that one job's publisher reads a second for progress, at most: one full list. A list
/// of fewer is read more often, so a list of up to 125 keeps up with four reports a second.
const READ_PER_SECOND: u64 = MAX_DIRECT_SUBSCRIBERS as u64;

/// What a list of subscribers is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A message that every subscriber must get.
    Complete,
    /// Progress, which is reported again soon: a subscriber that is missed gets the next report.
    NextReportFollows,
}

/// The subscribers of the job, as far as the publisher posts to them itself: reading no further keeps its
/// time flat, however many watch.
#[derive(Debug)]
pub(super) struct KnownAudience {
    /// The job's `subscribers_version` before the list was read.
    version: u64,
    pub(super) direct: Vec<Subscriber>,
    /// The last of them, when others follow: those are the delivery function's.
    pub(super) more_after: Option<String>,
    read_at: Instant,
}

impl KnownAudience {
    pub(super) fn read_now(job: &Job, direct: Vec<Subscriber>, more_after: Option<String>) -> Self {
        Self {
            version: job.subscribers_version,
            direct,
            more_after,
            read_at: Instant::now(),
        }
    }

    /// Whether the list has to be read again before a message goes out. `version` is the
    /// `subscribers_version` that the write of the message has answered with.
    pub(super) fn is_stale(&self, version: u64, now: Timestamp, purpose: Purpose) -> bool {
        let mut direct = self.direct.iter();
        let is_exact = self.version == version && direct.all(|subscriber| subscriber.is_live(now));
        if is_exact {
            return false;
        }
        match purpose {
            Purpose::Complete => true,
            // A read costs by the length of the list. So a long list that changes with each report
            // is read once a second, a short one with each report.
            Purpose::NextReportFollows => self.read_at.elapsed() >= self.pause(),
        }
    }

    /// Shortest time between two reads of a list of this length for progress.
    fn pause(&self) -> Duration {
        let length = self.direct.len() as u64;
        Duration::from_millis(length * 1000 / READ_PER_SECOND)
    }
}

#[cfg(test)]
mod tests {
    use contract::{
        ids::{AccessKey, CorrelationId, JobId, RequestId},
        limits::MAX_UPDATES_PER_SECOND,
    };

    use super::*;

    const NOW: Timestamp = Timestamp::from_epoch_seconds(1_705_314_615);
    const KNOWN: u64 = 7;
    const CHANGED: u64 = 8;

    fn subscriber(number: usize) -> Subscriber {
        Subscriber {
            job_id: JobId::new(NOW, [7; 8]),
            connection_id: format!("connection-{number}"),
            connected_at: NOW,
            subscribed_at: NOW,
            at_seq: 0,
            correlation_id: CorrelationId::new(NOW, [7; 8]),
            expires_at: NOW.plus_seconds(3600).epoch_seconds(),
        }
    }

    fn list_of(length: usize) -> KnownAudience {
        let mut job = Job::queued(
            JobId::new(NOW, [7; 8]),
            &AccessKey::new([3; 16]),
            RequestId::new(NOW, [2; 8]),
            "req_1_a".to_owned(),
            "image/png".to_owned(),
            NOW,
        );
        job.subscribers_version = KNOWN;
        KnownAudience::read_now(&job, (0..length).map(subscriber).collect(), None)
    }

    /// Time between two progress updates of a pipeline.
    fn between_reports() -> Duration {
        Duration::from_secs(1) / MAX_UPDATES_PER_SECOND
    }

    #[tokio::test(start_paused = true)]
    async fn an_exact_list_is_not_read_again() {
        for purpose in [Purpose::Complete, Purpose::NextReportFollows] {
            let list = list_of(3);
            tokio::time::advance(Duration::from_mins(1)).await;
            assert!(!list.is_stale(KNOWN, NOW, purpose));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_subscriber_is_read_for_the_next_report() {
        let empty = list_of(0);
        assert!(empty.is_stale(CHANGED, NOW, Purpose::NextReportFollows));
    }

    #[tokio::test(start_paused = true)]
    async fn a_small_list_that_changed_is_read_for_the_next_report() {
        for length in [1, 16, 125] {
            let list = list_of(length);
            tokio::time::advance(between_reports()).await;
            assert!(
                list.is_stale(CHANGED, NOW, Purpose::NextReportFollows),
                "{length} subscribers"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_list_that_keeps_changing_is_read_once_a_second_for_progress() {
        let list = list_of(MAX_DIRECT_SUBSCRIBERS);
        tokio::time::advance(Duration::from_millis(999)).await;
        assert!(!list.is_stale(CHANGED, NOW, Purpose::NextReportFollows));
        assert!(list.is_stale(CHANGED, NOW, Purpose::Complete));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(list.is_stale(CHANGED, NOW, Purpose::NextReportFollows));
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_with_an_expired_subscriber_is_stale() {
        let list = list_of(1);
        let later = NOW.plus_seconds(3600);
        assert!(list.is_stale(KNOWN, later, Purpose::Complete));
    }
}
