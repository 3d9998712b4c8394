//! The claims of a job: who holds it, and which attempt at its stage a claim makes.

use stagecast_contract::{messages::JobStatus, timestamp::Timestamp};

use super::Job;

impl Job {
    /// Whether no run and no worker holds the job at `now`: it awaits its input, it is queued, or its lease has ended. No
    /// process would notice the cancellation of such a job.
    pub fn is_unattended(&self, now: Timestamp) -> bool {
        match self.status {
            JobStatus::AwaitingInput | JobStatus::Queued => true,
            JobStatus::Running => self.lease_expires_at < now.epoch_seconds(),
            JobStatus::Completed | JobStatus::Failed | JobStatus::Cancelled => false,
        }
    }

    /// Whether the last commit was made after the lease had ended. It may not have been sent, if the
    /// process that made it was interrupted. Also true after a late write of the lease's holder.
    pub fn is_committed_without_lease(&self) -> bool {
        self.status != JobStatus::Queued
            && self.seq > 0
            && self.lease_expires_at < self.updated_at.epoch_seconds()
    }

    /// The number of the attempt at `stage` that the claim `epoch` makes: one more than an earlier claim's,
    /// if the stage was running when the job was claimed, and had stored no checkpoint in that attempt.
    pub fn attempt_at(&self, stage: &str, epoch: u64) -> u32 {
        if self.stage.as_deref() != Some(stage) {
            return 1;
        }
        let attempt = self.attempt.max(1);
        if self.attempt_epoch == epoch
            || self.retry_at.is_some()
            || self.checkpoint_attempt == Some(attempt)
            || self.checkpoints.contains_key(stage)
        {
            attempt
        } else {
            attempt + 1
        }
    }

    /// How many of the claims in [`Self::attempts_without_progress`] lost their lease to the next claim
    /// while their runs were alive.
    pub fn recently_lost_leases(&self) -> usize {
        let first = self
            .epoch
            .saturating_sub(u64::from(self.attempts_without_progress));
        let recent = self.lost_leases.iter();
        recent
            .filter(|epoch| (first + 1..self.epoch).contains(*epoch))
            .count()
    }
}

#[cfg(test)]
mod tests {
    use stagecast_contract::ids::AccessKey;

    use super::{
        super::tests::{NOW, job},
        *,
    };

    #[test]
    fn only_leases_lost_since_the_last_finished_stage_count() {
        let mut job = job(&AccessKey::new([3; 16]));
        job.epoch = 9;
        job.attempts_without_progress = 4;
        // The four claims are 6 to 9; the stage finished under claim 5.
        job.lost_leases = vec![2, 5, 6, 8];
        assert_eq!(job.recently_lost_leases(), 2);
    }

    #[test]
    fn attempt_is_counted_by_claim_and_starts_anew_with_each_stage() {
        let mut job = job(&AccessKey::new([3; 16]));
        job.epoch = 1;
        assert_eq!(job.attempt_at("a", 1), 1);
        job.stage = Some("a".to_owned());
        (job.attempt, job.attempt_epoch) = (1, 1);
        assert_eq!(job.attempt_at("a", 1), 1);
        // Claimed again, in the middle of the stage.
        assert_eq!(job.attempt_at("a", 2), 2);
        assert_eq!(job.attempt_at("b", 2), 1);
        job.checkpoint_attempt = Some(1);
        assert_eq!(job.attempt_at("a", 2), 1, "it continues");
        (job.attempt, job.attempt_epoch) = (2, 2);
        assert_eq!(
            job.attempt_at("a", 3),
            3,
            "the second attempt has stored none"
        );
        job.retry_at = Some(NOW);
        assert_eq!(
            job.attempt_at("a", 3),
            2,
            "the second attempt has not started"
        );
        (job.attempt, job.attempt_epoch, job.retry_at) = (1, 1, None);
        job.checkpoint_attempt = None;
        job.checkpoints.insert("a".to_owned(), 1);
        assert_eq!(job.attempt_at("a", 2), 1);
    }

    #[test]
    fn commit_without_a_lease_is_recognized_by_its_time() {
        let mut job = job(&AccessKey::new([3; 16]));
        (job.seq, job.lease_expires_at) = (1, 0);
        assert!(!job.is_committed_without_lease(), "it waits");
        for status in [
            JobStatus::Running,
            JobStatus::Completed,
            JobStatus::Cancelled,
        ] {
            job.status = status;
            job.lease_expires_at = job.updated_at.epoch_seconds();
            assert!(!job.is_committed_without_lease());
            job.lease_expires_at -= 1;
            assert!(job.is_committed_without_lease());
            // A worker that returned, or a new claim, has renewed the lease.
            job.lease_expires_at += 30;
            assert!(!job.is_committed_without_lease());
        }
    }

    #[test]
    fn job_is_unattended_while_queued_and_after_its_lease() {
        let mut job = job(&AccessKey::new([3; 16]));
        assert!(job.is_unattended(NOW));
        job.status = JobStatus::Running;
        job.lease_expires_at = NOW.epoch_seconds();
        assert!(!job.is_unattended(NOW));
        assert!(job.is_unattended(NOW.plus_seconds(1)));
        job.status = JobStatus::Failed;
        assert!(!job.is_unattended(NOW.plus_seconds(1)));
    }
}
