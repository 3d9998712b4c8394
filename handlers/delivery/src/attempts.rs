//! How often a delivery is attempted.
//!
//! The queue allows hundreds of receives, for the watchdogs: an outage of this function must not
//! use them up. A delivery has far fewer attempts, since each may send its audience the same
//! messages again. A message that was received more often than a delivery is attempted was not
//! settled by its attempts: the function or a table was down, or the message ends the function. It
//! is put on the queue once more, with a receive count of its own. If that is used up as well, it
//! is left to become a dead letter.

use aws_lambda_events::sqs::SqsMessage;
use contract::queues::{DeliveryTask, MAX_DELIVERY_ATTEMPTS};

/// What becomes of a received delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// It is attempted; it stays on the queue if it fails.
    Retried,
    /// It is attempted; if its one connection cannot be reached, it is given up.
    Last,
    /// It is put on the queue anew.
    Renewed,
    /// It is not attempted any more, and stays on the queue until it is a dead letter.
    Over,
}

impl Attempt {
    /// The attempt that the receive number `receives` of a pointer is.
    pub(crate) fn of(pointer: &DeliveryTask, receives: u32) -> Self {
        if receives < MAX_DELIVERY_ATTEMPTS {
            Self::Retried
        } else if receives == MAX_DELIVERY_ATTEMPTS {
            Self::Last
        } else if pointer.renewed {
            Self::Over
        } else {
            Self::Renewed
        }
    }
}

/// How often the message has been received, this time included.
pub(crate) fn receives(message: &SqsMessage) -> u32 {
    let count = message.attributes.get("ApproximateReceiveCount");
    count.and_then(|count| count.parse().ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use contract::queues::{DeliveryQueue, Queue as _, Recipients};

    use super::*;

    fn pointer() -> DeliveryTask {
        DeliveryTask::log("job_1_a".parse().unwrap(), Recipients::AllSubscribers, 0)
    }

    /// The attempts that a pointer gets which is received after each of them and never answered.
    fn attempts(mut pointer: DeliveryTask, mut receives: u32) -> usize {
        let mut attempts = 0;
        loop {
            match Attempt::of(&pointer, receives) {
                Attempt::Retried | Attempt::Last => attempts += 1,
                Attempt::Renewed => (pointer, receives) = (pointer.renew(), 0),
                Attempt::Over => return attempts,
            }
            receives += 1;
        }
    }

    #[test]
    fn unreachable_connection_is_given_up_at_the_tenth_receive() {
        assert_eq!(Attempt::of(&pointer(), 9), Attempt::Retried);
        assert_eq!(Attempt::of(&pointer(), 10), Attempt::Last);
        assert_eq!(Attempt::of(&pointer().renew(), 10), Attempt::Last);
    }

    #[test]
    fn delivery_that_an_outage_held_up_has_all_its_attempts_after_it() {
        let receives = DeliveryQueue::SPEC.max_receives - 1;
        assert_eq!(attempts(pointer(), receives), 10);
    }

    #[test]
    fn delivery_that_ends_the_function_is_attempted_at_most_twenty_times() {
        assert_eq!(attempts(pointer(), 1), 20);
    }

    #[test]
    fn receive_count_is_read_from_the_attributes_of_the_message() {
        let mut message = SqsMessage::default();
        assert_eq!(receives(&message), 1);
        let name = "ApproximateReceiveCount".to_owned();
        message.attributes.insert(name, "12".to_owned());
        assert_eq!(receives(&message), 12);
    }
}
