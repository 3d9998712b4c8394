//! The subscribers that a publisher posts to directly, and when their list has to be read again.

use std::time::Duration;

use stagecast_contract::{limits::MAX_DIRECT_SUBSCRIBERS, timestamp::Timestamp};
use tokio::time::Instant;

use crate::models::{Job, Subscriber};

/// Maximum number of subscribers that one job's publisher reads per second for progress: one full list.
/// Shorter lists are read more often; a list of up to 125 is read for each of four reports per second.
const READ_PER_SECOND: u64 = MAX_DIRECT_SUBSCRIBERS as u64;

/// What the list of subscribers is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A message that every subscriber must get.
    Complete,
    /// Progress that is reported again soon: a subscriber that is missing receives the next report.
    NextReportFollows,
}

/// The subscribers that the publisher posts to directly. The list is limited, so that the publisher's time
/// does not grow with the number of subscribers.
#[derive(Debug)]
pub(super) struct KnownAudience {
    /// The job's `subscribers_version` before the list was read.
    version: u64,
    pub(super) direct: Vec<Subscriber>,
    /// The connection id of the last of them, if others follow: the delivery function posts to those.
    pub(super) more_after: Option<String>,
    read_at: Instant,
    /// The time of day at `read_at`.
    read_on: Timestamp,
}

impl KnownAudience {
    /// `now` is the time of day before the list was read.
    pub(super) fn read_now(
        job: &Job,
        direct: Vec<Subscriber>,
        more_after: Option<String>,
        now: Timestamp,
    ) -> Self {
        Self {
            version: job.subscribers_version,
            direct,
            more_after,
            read_at: Instant::now(),
            read_on: now,
        }
    }

    /// Whether the list has to be read again before a message is sent. `version` is the job's
    /// `subscribers_version` after the write of the message.
    pub(super) fn is_stale(&self, version: u64, now: Timestamp, purpose: Purpose) -> bool {
        let expired_since = |it: &Subscriber| {
            it.expired_token(now).is_some() && it.expired_token(self.read_on).is_none()
        };
        // The token may have been extended, which does not change the version. The sender relies on this read.
        if self.direct.iter().any(expired_since) {
            return true;
        }
        let is_current = |it: &Subscriber| it.is_live(now) && it.expired_token(now).is_none();
        if self.version == version && self.direct.iter().all(is_current) {
            return false;
        }
        match purpose {
            Purpose::Complete => true,
            // The cost of a read grows with the length. A long list that changes with each report is read
            // once per second, a short one for each report.
            Purpose::NextReportFollows => self.read_at.elapsed() >= self.read_interval(),
        }
    }

    /// Shortest time between two reads of a list of this length for progress.
    fn read_interval(&self) -> Duration {
        let length = self.direct.len() as u64;
        Duration::from_millis(length * 1000 / READ_PER_SECOND)
    }
}

#[cfg(test)]
mod tests {
    use stagecast_contract::{
        ids::{AccessKey, CorrelationId, JobId, RequestId},
        limits::MAX_UPDATES_PER_SECOND,
    };

    use super::*;
    use crate::models::TokenAccess;

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
            token: None,
            feed: None,
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
        KnownAudience::read_now(&job, (0..length).map(subscriber).collect(), None, NOW)
    }

    /// Time between two progress updates of a pipeline.
    fn between_reports() -> Duration {
        Duration::from_secs(1) / MAX_UPDATES_PER_SECOND
    }

    #[tokio::test(start_paused = true)]
    async fn unchanged_list_is_not_read_again() {
        for purpose in [Purpose::Complete, Purpose::NextReportFollows] {
            let list = list_of(3);
            tokio::time::advance(Duration::from_mins(1)).await;
            assert!(!list.is_stale(KNOWN, NOW, purpose));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn first_subscriber_is_read_for_the_next_report() {
        let empty = list_of(0);
        assert!(empty.is_stale(CHANGED, NOW, Purpose::NextReportFollows));
    }

    #[tokio::test(start_paused = true)]
    async fn short_changed_list_is_read_for_the_next_report() {
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
    async fn long_changed_list_is_read_once_per_second_for_progress() {
        let list = list_of(MAX_DIRECT_SUBSCRIBERS);
        tokio::time::advance(Duration::from_millis(999)).await;
        assert!(!list.is_stale(CHANGED, NOW, Purpose::NextReportFollows));
        assert!(list.is_stale(CHANGED, NOW, Purpose::Complete));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(list.is_stale(CHANGED, NOW, Purpose::NextReportFollows));
    }

    #[tokio::test(start_paused = true)]
    async fn list_with_an_expired_subscriber_is_stale() {
        let list = list_of(1);
        let later = NOW.plus_seconds(3600);
        assert!(list.is_stale(KNOWN, later, Purpose::Complete));
    }

    #[tokio::test(start_paused = true)]
    async fn list_with_an_expired_token_is_read_at_once_and_then_for_each_message() {
        let mut list = list_of(MAX_DIRECT_SUBSCRIBERS);
        list.direct[7].token = Some(TokenAccess {
            owner: "user-7".to_owned(),
            expires_at: NOW.epoch_seconds(),
        });
        let (valid, expired) = (NOW.plus_seconds(29), NOW.plus_seconds(30));
        for purpose in [Purpose::Complete, Purpose::NextReportFollows] {
            assert!(!list.is_stale(KNOWN, valid, purpose));
            assert!(list.is_stale(KNOWN, expired, purpose));
        }
        // Read after the expiry, and the subscription has not ended yet.
        list.read_on = expired;
        assert!(list.is_stale(KNOWN, expired, Purpose::Complete));
        assert!(!list.is_stale(KNOWN, expired, Purpose::NextReportFollows));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(list.is_stale(KNOWN, expired, Purpose::NextReportFollows));
    }
}
