//! Delivers one message to one connection.

use bytes::Bytes;
use granted_aws::{Post, PostError};
use stagecast_contract::timestamp::Timestamp;

use crate::{clock::Clock, retry::RetryPolicy};

/// The connection that a message is posted to.
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
    /// API Gateway accepted the message.
    Sent {
        /// Attempts made.
        attempts: u32,
    },
    /// The connection has ended.
    Gone,
    /// The retry policy allows no further attempt; a later delivery may succeed.
    Spent {
        /// Attempts made.
        attempts: u32,
        /// The error of the last attempt.
        cause: PostError,
    },
    /// A newer message replaces this one, or another function sends it.
    Superseded,
    /// A retry cannot succeed.
    Refused(PostError),
}

/// A connection can be posted to only after `$connect` has returned, which may be after its first message
/// is sent. For this many seconds after its start, a 410 is retried.
const CONNECTING_SECONDS: i64 = 2;

/// Delivers `message`, with retries as `retry_policy` allows, until `superseded` returns true.
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
                if age > CONNECTING_SECONDS {
                    return Delivery::Gone;
                }
                PostError::Gone
            }
            // A slow client may receive the message: a retry now would send it twice. The delivery function
            // sends it again later.
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

    /// A fake of API Gateway that fails posts with errors from a list, and then accepts them.
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
    const POLICY: RetryPolicy = RetryPolicy {
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
            &POLICY,
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
    async fn attempts_end_with_the_retry_policy() {
        let post = Scripted::failing(vec![PostError::Throttled; 100]);
        let expected = Delivery::Spent {
            attempts: 4,
            cause: PostError::Throttled,
        };
        assert_eq!(outcome(&post, 60).await, expected);
        assert_eq!(post.posts(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn post_that_timed_out_is_not_retried() {
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
    async fn gone_connection_is_not_retried() {
        let post = Scripted::failing([PostError::Gone]);
        assert_eq!(outcome(&post, 60).await, Delivery::Gone);
        assert_eq!(post.posts(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn gone_is_retried_while_a_connection_starts() {
        let post = Scripted::failing([PostError::Gone]);
        assert_eq!(outcome(&post, 1).await, Delivery::Sent { attempts: 2 });
        let post = Scripted::failing(vec![PostError::Gone; 100]);
        // Whether the connection has ended is unknown, so the delivery function retries later.
        let spent = outcome(&post, 1).await;
        assert!(
            matches!(&spent, Delivery::Spent { cause, .. } if *cause == PostError::Gone),
            "{spent:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn permanent_errors_are_not_retried() {
        for error in [PostError::TooLarge, PostError::Forbidden] {
            let post = Scripted::failing([error.clone()]);
            assert_eq!(outcome(&post, 60).await, Delivery::Refused(error));
            assert_eq!(post.posts(), 1);
        }
    }
}
