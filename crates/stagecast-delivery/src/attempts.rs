//! The number of attempts of a delivery.
//!
//! The queue allows hundreds of receives, so that watchdogs survive an outage of this function. A
//! delivery has far fewer attempts, because each may send its recipients the same messages again. If a
//! message was received more often than that, its attempts did not decide about it: the function or a
//! table was down, or the message crashes the function. It is then sent to the queue once more, with a
//! receive count of 0. If that one is received too often as well, it stays on the queue until it becomes
//! a dead letter.

use aws_lambda_events::sqs::SqsMessage;
use stagecast_contract::queues::{DeliveryTask, MAX_DELIVERY_ATTEMPTS};

/// What to do with a received task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// Attempt it. If that fails, the task stays on the queue.
    Retryable,
    /// Attempt it. If its only connection cannot be reached, give up.
    Last,
    /// Send it to the queue again as a new message.
    Requeue,
    /// Do not attempt it. The task stays on the queue until it is a dead letter.
    Exhausted,
}

impl Attempt {
    /// The decision for a task, by the receive count of its message, from 1.
    pub(crate) fn of(task: &DeliveryTask, receive_count: u32) -> Self {
        if receive_count < MAX_DELIVERY_ATTEMPTS {
            Self::Retryable
        } else if receive_count == MAX_DELIVERY_ATTEMPTS {
            Self::Last
        } else if task.renewed {
            Self::Exhausted
        } else {
            Self::Requeue
        }
    }
}

/// The number of receives of the message, including this one.
pub(crate) fn receive_count(message: &SqsMessage) -> u32 {
    let count = message.attributes.get("ApproximateReceiveCount");
    count.and_then(|count| count.parse().ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use stagecast_contract::queues::{DeliveryQueue, Recipients};
    use typed_contract::queues::Queue as _;

    use super::*;

    fn task() -> DeliveryTask {
        DeliveryTask::log("job_1_a".parse().unwrap(), Recipients::AllSubscribers, 0)
    }

    /// The number of attempts of a task that crashes the function each time.
    fn attempts(mut task: DeliveryTask, mut receive_count: u32) -> usize {
        let mut attempts = 0;
        loop {
            match Attempt::of(&task, receive_count) {
                Attempt::Retryable | Attempt::Last => attempts += 1,
                Attempt::Requeue => (task, receive_count) = (task.renew(), 0),
                Attempt::Exhausted => return attempts,
            }
            receive_count += 1;
        }
    }

    #[test]
    fn unreachable_connection_is_given_up_at_the_tenth_receive() {
        assert_eq!(Attempt::of(&task(), 9), Attempt::Retryable);
        assert_eq!(Attempt::of(&task(), 10), Attempt::Last);
        assert_eq!(Attempt::of(&task().renew(), 10), Attempt::Last);
    }

    #[test]
    fn delivery_has_all_its_attempts_after_an_outage() {
        let receive_count = DeliveryQueue::SPEC.max_receives - 1;
        assert_eq!(attempts(task(), receive_count), 10);
    }

    #[test]
    fn delivery_that_crashes_the_function_has_at_most_20_attempts() {
        assert_eq!(attempts(task(), 1), 20);
    }

    #[test]
    fn receive_count_is_read_from_the_attributes_of_the_message() {
        let mut message = SqsMessage::default();
        assert_eq!(receive_count(&message), 1);
        let name = "ApproximateReceiveCount".to_owned();
        message.attributes.insert(name, "12".to_owned());
        assert_eq!(receive_count(&message), 12);
    }
}
