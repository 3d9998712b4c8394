//! Delivering one message to one connection.

use bytes::Bytes;
use contract::timestamp::Timestamp;

use crate::{
    aws::{Post, PostError},
    clock::Clock,
    retry::RetryPolicy,
};

/// A connection as far as sending is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// API Gateway's id.
    pub connection_id: String,
    /// When the connection began.
    pub connected_at: Timestamp,
}

/// How a delivery ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The message was taken.
    Sent {
        /// Attempts made.
        attempts: u32,
    },
    /// The connection has ended.
    Gone,
    /// The budget is spent; a later attempt may do better.
    Spent {
        /// Attempts made.
        attempts: u32,
        /// What the last one met.
        cause: PostError,
    },
    /// Something newer waits for the connection, or another function will send this.
    Superseded,
    /// No attempt will do better.
    Refused(PostError),
}

/// A post reaches a connection only after `$connect` has returned, which may be after the first
/// message is due: for this many seconds, 'gone' may mean 'not yet'.
const NOT_YET_SECONDS: i64 = 2;

/// Delivers `message`, trying again while `budget` lasts and `superseded` does not say that a newer
/// message has taken its place.
pub async fn deliver(
    post: &impl Post,
    destination: &Destination,
    message: &Bytes,
    retry_policy: &RetryPolicy,
    clock: &Clock,
    superseded: impl Fn() -> bool,
) -> Delivery {
    let mut backoff = retry_policy.backoff();
    loop {
        let cause = match post.post(&destination.connection_id, message.clone()).await {
            Ok(()) => {
                return Delivery::Sent {
                    attempts: backoff.attempt(),
                };
            }
            Err(PostError::Gone) => {
                let age = clock.now().epoch_seconds() - destination.connected_at.epoch_seconds();
                if age > NOT_YET_SECONDS {
                    return Delivery::Gone;
                }
                PostError::Gone
            }
            // The client may have it, and is slow to read: another attempt now would send it twice. It
            // is the delivery function's to send once more, later.
            Err(cause @ PostError::TimedOut(_)) => {
                return Delivery::Spent {
                    attempts: backoff.attempt(),
                    cause,
                };
            }
            Err(cause) if cause.is_transient() => cause,
            Err(cause) => return Delivery::Refused(cause),
        };
        if !backoff.wait().await {
            return Delivery::Spent {
                attempts: backoff.attempt(),
                cause,
            };
        }
        if superseded() {
            return Delivery::Superseded;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, Mutex},
        time::Duration,
    };

    use super::*;

    /// Answers posts from a list, then with success. A fake: API Gateway's own answers are tested
    /// end to end.
    #[derive(Clone, Default)]
    struct Scripted(Arc<Mutex<(Vec<PostError>, u32)>>);

    impl Scripted {
        fn failing(errors: impl IntoIterator<Item = PostError>) -> Self {
            let mut errors: Vec<_> = errors.into_iter().collect();
            errors.reverse();
            Self(Arc::new(Mutex::new((errors, 0))))
        }

        fn posts(&self) -> u32 {
            self.0.lock().unwrap().1
        }
    }

    impl Post for Scripted {
        async fn post(&self, _: &str, _: Bytes) -> Result<(), PostError> {
            let mut script = self.0.lock().unwrap();
            script.1 += 1;
            script.0.pop().map_or(Ok(()), Err)
        }
    }

    const NOW: Timestamp = Timestamp::from_epoch_seconds(1_705_314_615);
    const BUDGET: RetryPolicy = RetryPolicy {
        attempts: 4,
        total: Duration::from_secs(10),
        first_wait: Duration::from_millis(100),
        longest_wait: Duration::from_secs(2),
    };

    async fn outcome(post: &Scripted, age: i64) -> Delivery {
        let destination = Destination {
            connection_id: "id".to_owned(),
            connected_at: NOW.plus_seconds(-age),
        };
        deliver(
            post,
            &destination,
            &Bytes::new(),
            &BUDGET,
            &Clock::standing_at(NOW),
            || false,
        )
        .await
    }

    #[tokio::test(start_paused = true)]
    async fn transient_failures_are_retried() {
        let post =
            Scripted::failing([PostError::Throttled, PostError::Transient("500".to_owned())]);
        assert_eq!(outcome(&post, 60).await, Delivery::Sent { attempts: 3 });
        assert_eq!(post.posts(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn the_budget_is_kept() {
        let post = Scripted::failing(vec![PostError::Throttled; 100]);
        let expected = Delivery::Spent {
            attempts: 4,
            cause: PostError::Throttled,
        };
        assert_eq!(outcome(&post, 60).await, expected);
        assert_eq!(post.posts(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_post_that_timed_out_is_not_repeated_at_once() {
        let error = PostError::TimedOut("3 s".to_owned());
        let post = Scripted::failing(vec![error.clone(); 100]);
        let expected = Delivery::Spent {
            attempts: 1,
            cause: error,
        };
        assert_eq!(outcome(&post, 60).await, expected);
        assert_eq!(post.posts(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_gone_connection_is_not_tried_again() {
        let post = Scripted::failing([PostError::Gone]);
        assert_eq!(outcome(&post, 60).await, Delivery::Gone);
        assert_eq!(post.posts(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_has_just_begun_may_not_be_there_yet() {
        let post = Scripted::failing([PostError::Gone]);
        assert_eq!(outcome(&post, 1).await, Delivery::Sent { attempts: 2 });
        let post = Scripted::failing(vec![PostError::Gone; 100]);
        // Nobody knows yet: it is left to who comes later.
        let spent = outcome(&post, 1).await;
        assert!(
            matches!(&spent, Delivery::Spent { cause, .. } if *cause == PostError::Gone),
            "{spent:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_get_better_is_refused_at_once() {
        for error in [PostError::TooLarge, PostError::Forbidden] {
            let post = Scripted::failing([error.clone()]);
            assert_eq!(outcome(&post, 60).await, Delivery::Refused(error));
            assert_eq!(post.posts(), 1);
        }
    }
}
