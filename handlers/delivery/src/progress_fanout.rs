//! Rounds of progress, which an audience may be too wide for: if they come faster than they can be
//! posted, those that have waited too long make way, for others and for durable messages.

use aws_lambda_events::sqs::SqsMessage;
use contract::{messages::ProgressUpdate, queues::DeliveryTask, timestamp::Timestamp};
use handlers_core::models::Job;

/// Seconds that a round may wait for its turn. Many rounds, so that a queue that is only late is
/// served: each round brings what is known when its turn comes.
const PROGRESS_MAX_AGE_SECONDS: i64 = 10;
/// Seconds after a round within which its publisher may report without another round, and by which
/// clocks may differ.
const NEXT_ROUND_SECONDS: i64 = 5;

/// What a round of progress brings; none when it is in vain.
pub(crate) fn update_of(
    pointer: &DeliveryTask,
    job: &Job,
    message: &SqsMessage,
    now: Timestamp,
) -> Option<ProgressUpdate> {
    // A durable message that has followed is on its way by itself, and a client that saw its `seq`
    // here first would think that it has missed it.
    let update = job
        .progress_update()
        .filter(|_| job.seq == pointer.after_seq)?;
    let late = sent_at(message).is_some_and(|sent_at| {
        let followed = update.timestamp >= sent_at.plus_seconds(NEXT_ROUND_SECONDS);
        followed && now > sent_at.plus_seconds(PROGRESS_MAX_AGE_SECONDS)
    });
    (!late).then_some(update)
}

/// When the message was put on its queue.
fn sent_at(message: &SqsMessage) -> Option<Timestamp> {
    let millis: i64 = message.attributes.get("SentTimestamp")?.parse().ok()?;
    Some(Timestamp::from_epoch_seconds(millis / 1000))
}

#[cfg(test)]
mod tests {
    use contract::{
        ids::{AccessKey, JobId, RequestId},
        messages::JobStatus,
        queues::{DeliveryKind, Recipients},
    };

    use super::*;

    const SENT: i64 = 1_800_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_epoch_seconds(SENT + seconds)
    }

    /// What a round brings whose turn comes `now`, of a job whose last report is from `reported`,
    /// both in seconds after the round was put on the queue.
    fn brings(now: i64, reported: i64, job_seq: u64) -> bool {
        let mut job = Job::queued(
            JobId::new(at(-60), [1; 8]),
            &AccessKey::new([3; 16]),
            RequestId::new(at(-60), [2; 8]),
            "req_1_a".to_owned(),
            "image/png".to_owned(),
            at(-60),
        );
        job.status = JobStatus::Running;
        job.stage = Some("stage_1".to_owned());
        job.seq = job_seq;
        job.updated_at = at(reported);
        let pointer = DeliveryTask {
            job_id: job.job_id.clone(),
            audience: Recipients::AllSubscribers,
            content: DeliveryKind::Progress,
            after_seq: 1,
            through_seq: None,
            renewed: false,
        };
        let mut message = SqsMessage::default();
        let sent = (SENT * 1000 + 999).to_string();
        message.attributes.insert("SentTimestamp".to_owned(), sent);
        update_of(&pointer, &job, &message, at(now)).is_some()
    }

    #[test]
    fn a_round_in_time_brings_what_is_known_by_then() {
        assert!(brings(0, 0, 1));
        assert!(brings(10, 9, 1));
    }

    #[test]
    fn a_round_that_waited_long_makes_way_for_those_that_followed() {
        assert!(!brings(11, 11, 1));
        assert!(!brings(11, 5, 1));
    }

    #[test]
    fn the_last_round_before_a_silence_is_served_however_late() {
        assert!(brings(3600, 0, 1));
        // No other round followed: it was too early for one.
        assert!(brings(3600, 2, 1));
    }

    #[test]
    fn a_durable_message_that_followed_makes_a_round_vain() {
        assert!(!brings(0, 0, 2));
    }
}
