//! Tasks for progress. If a job has so many subscribers that its progress tasks are enqueued faster than
//! they can be executed, tasks that have waited too long are dropped. That leaves capacity for newer
//! progress and for durable messages.

use aws_lambda_events::sqs::SqsMessage;
use stagecast_contract::{messages::ProgressUpdate, queues::DeliveryTask, timestamp::Timestamp};
use stagecast_core::models::Job;

/// Age in seconds after which a task is dropped if newer progress has followed. Many publisher
/// intervals, so that a queue that is only slow drops nothing: each task sends the progress at the time
/// of its execution.
const PROGRESS_MAX_AGE_SECONDS: i64 = 10;
/// Seconds after a task within which its publisher may report progress without another task. It includes
/// the difference between clocks.
const NEXT_TASK_SECONDS: i64 = 5;

/// The progress to send for a task. None if the task is outdated.
pub(crate) fn current_update(
    task: &DeliveryTask,
    job: &Job,
    message: &SqsMessage,
    now: Timestamp,
) -> Option<ProgressUpdate> {
    // A durable message that has followed is sent separately. A client that received its `seq` with a
    // progress update first would assume that it missed the message.
    let update = job
        .progress_update()
        .filter(|_| job.seq == task.after_seq)?;
    let is_late = sent_at(message).is_some_and(|sent_at| {
        let has_followed = update.timestamp >= sent_at.plus_seconds(NEXT_TASK_SECONDS);
        has_followed && now > sent_at.plus_seconds(PROGRESS_MAX_AGE_SECONDS)
    });
    (!is_late).then_some(update)
}

/// The time at which the message was sent to the queue.
fn sent_at(message: &SqsMessage) -> Option<Timestamp> {
    let millis: i64 = message.attributes.get("SentTimestamp")?.parse().ok()?;
    Some(Timestamp::from_epoch_seconds(millis / 1000))
}

#[cfg(test)]
mod tests {
    use stagecast_contract::{
        ids::{AccessKey, JobId, RequestId},
        messages::JobStatus,
        queues::{DeliveryKind, Recipients},
    };

    use super::*;

    const SENT: i64 = 1_800_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_epoch_seconds(SENT + seconds)
    }

    /// Whether a task that is executed at `now` sends the progress of a job that last reported at
    /// `reported`, both in seconds after the task was enqueued.
    fn is_sent(now: i64, reported: i64, job_seq: u64) -> bool {
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
        let task = DeliveryTask {
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
        current_update(&task, &job, &message, at(now)).is_some()
    }

    #[test]
    fn task_in_time_sends_the_current_progress() {
        assert!(is_sent(0, 0, 1));
        assert!(is_sent(10, 9, 1));
    }

    #[test]
    fn late_task_is_dropped_after_newer_progress() {
        assert!(!is_sent(11, 11, 1));
        assert!(!is_sent(11, 5, 1));
    }

    #[test]
    fn late_task_is_executed_without_newer_progress() {
        assert!(is_sent(3600, 0, 1));
        // No task followed, because the report came too soon after this one.
        assert!(is_sent(3600, 2, 1));
    }

    #[test]
    fn task_is_dropped_after_a_durable_message() {
        assert!(!is_sent(0, 0, 2));
    }
}
