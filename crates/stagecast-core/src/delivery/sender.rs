//! Sends to many connections concurrently: one message at a time per connection, a bounded number in all.

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use granted_aws::{Post, PostError};
use serde_json::json;
use stagecast_contract::{
    ids::RequestId,
    messages::{ErrorCode, ErrorReply, ServerMessage},
    timestamp::Timestamp,
};
use tokio::{
    sync::{Notify, Semaphore},
    time::Instant,
};

use super::{
    Delivery, Destination, Outgoing,
    account_throttle::AccountThrottle,
    attempt::deliver,
    mailbox::{Mailbox, Next},
    stats::DeliveryStats,
    write_priority::{PauseGuard, SendGate},
};
use crate::{
    clock::{Clock, random},
    metrics::StatsSnapshot,
    models::Subscriber,
    retry::RetryPolicy,
};

/// Maximum number of concurrent posts, over all connections.
const CONCURRENT_POSTS: usize = 128;

/// Age in seconds below which a subscription may still wait for its `subscribed` reply.
const NEW_SUBSCRIPTION_WINDOW_SECONDS: i64 = 2;
/// Delay of the first message to such a subscription, so that the replayed log arrives first.
const FIRST_MESSAGE_DELAY: Duration = Duration::from_millis(250);

/// The outcome of a message, for the [`DeliveryObserver`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// API Gateway accepted the message, so the connection is alive.
    Sent,
    /// The connection has ended, and its items can be deleted.
    Gone,
    /// The notice that the token of the subscription has expired was sent, so the subscription can be ended.
    TokenExpired,
    /// Durable messages were not sent; the delivery function has to send them.
    Deferred {
        /// The `seq` before the first of these messages.
        after_seq: u64,
        /// The `seq` of the last of these messages.
        through_seq: u64,
    },
}

/// A connection with messages that were not sent in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// API Gateway's id.
    pub connection_id: String,
    /// The `seq` of the last durable message that this sender sent to the connection, if any.
    pub sent_seq: Option<u64>,
}

/// Processes the outcomes of messages.
pub trait DeliveryObserver: Send + Sync + 'static {
    /// Processes an outcome. Logs its own failures, which must not stop the job.
    fn on_outcome(
        &self,
        subscriber: &Subscriber,
        outcome: Outcome,
    ) -> impl Future<Output = ()> + Send;
}

/// Sends messages to connections.
#[derive(Debug)]
pub struct Sender<P, A>(Arc<Inner<P, A>>);

#[derive(Debug)]
struct Inner<P, A> {
    post: P,
    observer: A,
    retry_policy: RetryPolicy,
    clock: Clock,
    permits: Semaphore,
    gate: Arc<SendGate>,
    throttle: AccountThrottle,
    traffic: Mutex<Traffic>,
    idle: Notify,
    stats: DeliveryStats,
}

#[derive(Debug, Default)]
struct Traffic {
    mailboxes: HashMap<String, Mailbox>,
    /// Number of tasks that send messages or process outcomes.
    active: usize,
}

impl<P: Post + 'static, A: DeliveryObserver> Sender<P, A> {
    /// A sender without messages.
    pub fn new(post: P, observer: A, retry_policy: RetryPolicy, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            post,
            observer,
            retry_policy,
            clock,
            permits: Semaphore::new(CONCURRENT_POSTS),
            gate: Arc::default(),
            throttle: AccountThrottle::default(),
            traffic: Mutex::default(),
            idle: Notify::new(),
            stats: DeliveryStats::default(),
        }))
    }

    /// Queues a message for a subscriber. Never waits for the network.
    ///
    /// A subscriber whose token has expired gets a notice instead, once. The caller has read the subscriber after the
    /// expiry: its token may have been extended until then.
    pub fn send(&self, subscriber: &Subscriber, outgoing: Outgoing) {
        let seq = outgoing.seq();
        let now = self.0.clock.now();
        let outgoing = match subscriber.expired_token(now) {
            Some(token) => Outgoing::TokenExpired {
                expires_at: token.expires_at,
                instead_of: seq,
                message: token_expired_notice(subscriber, now),
            },
            None => outgoing,
        };
        let mut traffic = self.0.lock();
        let is_first = !traffic.mailboxes.contains_key(&subscriber.connection_id);
        let mailbox = traffic
            .mailboxes
            .entry(subscriber.connection_id.clone())
            .or_default();
        let next = mailbox.put(outgoing);
        if next == Next::Nothing {
            return;
        }
        traffic.active += 1;
        drop(traffic);
        let inner = Arc::clone(&self.0);
        let subscriber = subscriber.clone();
        #[expect(
            clippy::disallowed_methods,
            reason = "the handler flushes the sender before it responds"
        )]
        tokio::spawn(async move {
            if next == Next::Work {
                if is_first && inner.is_new(&subscriber) {
                    tokio::time::sleep(FIRST_MESSAGE_DELAY).await;
                }
                inner.work(&subscriber).await;
            } else if let Some(seq) = seq {
                inner.stats.deferred(1);
                // Together with the message before it, whose task is on the queue too: queues keep no
                // order, and this message must not overtake the one before.
                let after_seq = seq.saturating_sub(2);
                inner
                    .observer
                    .on_outcome(
                        &subscriber,
                        Outcome::Deferred {
                            after_seq,
                            through_seq: seq,
                        },
                    )
                    .await;
                inner.mailbox(&subscriber.connection_id, Mailbox::deferred);
            }
            inner.lock().active -= 1;
            inner.idle.notify_waiters();
        });
    }

    /// Pauses posts until the guard is dropped, for at most a second: for calls that the job waits for.
    pub fn pause_posts(&self) -> PauseGuard {
        self.0.gate.pause()
    }

    /// Waits until no message is queued or in flight. The retry policy of each queued message bounds the
    /// time. Returns the counts since the last flush.
    pub async fn flush(&self) -> StatsSnapshot {
        loop {
            let idle = self.0.idle.notified();
            tokio::pin!(idle);
            idle.as_mut().enable();
            if self.0.lock().active == 0 {
                return self.0.stats.take();
            }
            idle.await;
        }
    }
}

impl<P: Post + 'static, A: DeliveryObserver> Sender<P, A> {
    /// [`Self::flush`] for at most `limit`. Also returns the connections with messages that were not sent
    /// by then; the caller has to deliver these messages. Later durable messages to these connections are
    /// deferred, because they would overtake them otherwise.
    pub async fn flush_within(&self, limit: Duration) -> (StatsSnapshot, Vec<Unfinished>) {
        if let Ok(counts) = tokio::time::timeout(limit, self.flush()).await {
            return (counts, Vec::new());
        }
        let mut unfinished = Vec::new();
        for (connection_id, mailbox) in &mut self.0.lock().mailboxes {
            if mailbox.is_unfinished() {
                mailbox.hand_off();
                unfinished.push(Unfinished {
                    connection_id: connection_id.clone(),
                    sent_seq: mailbox.sent_seq(),
                });
            }
        }
        self.0.stats.deferred(unfinished.len());
        (self.0.stats.take(), unfinished)
    }

    /// Removes the queues of connections that are not among `subscribers` and have no message queued or in
    /// flight, so that a long run does not accumulate queues.
    pub fn keep_only<'a>(&self, subscribers: impl Iterator<Item = &'a Subscriber>) {
        let ids: HashSet<_> = subscribers.map(|it| &it.connection_id).collect();
        let mut traffic = self.0.lock();
        traffic
            .mailboxes
            .retain(|id, mailbox| mailbox.is_unfinished() || ids.contains(id));
    }
}

impl<P: Post, A: DeliveryObserver> Inner<P, A> {
    fn lock(&self) -> MutexGuard<'_, Traffic> {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mailbox<T>(&self, connection_id: &str, act: impl FnOnce(&mut Mailbox) -> T) -> T {
        act(self
            .lock()
            .mailboxes
            .entry(connection_id.to_owned())
            .or_default())
    }

    fn is_new(&self, subscriber: &Subscriber) -> bool {
        let age = self.clock.now().epoch_seconds() - subscriber.subscribed_at.epoch_seconds();
        age <= NEW_SUBSCRIPTION_WINDOW_SECONDS
    }

    async fn work(&self, subscriber: &Subscriber) {
        let destination = Destination {
            connection_id: subscriber.connection_id.clone(),
            connected_at: subscriber.connected_at,
        };
        while let Some(outgoing) = self.mailbox(&destination.connection_id, Mailbox::take) {
            self.send_one(subscriber, &destination, &outgoing).await;
        }
    }

    async fn send_one(
        &self,
        subscriber: &Subscriber,
        destination: &Destination,
        outgoing: &Outgoing,
    ) {
        let superseded = || {
            let is_latest = matches!(outgoing, Outgoing::Latest { .. });
            self.mailbox(&destination.connection_id, |mailbox| {
                mailbox.is_closed() || (is_latest && mailbox.has_waiting())
            })
        };
        let start = Instant::now();
        let delivery = deliver(
            &Bounded(self),
            destination,
            outgoing.message(),
            &self.retry_policy,
            &self.clock,
            superseded,
        )
        .await;
        let failed = |attempts: u32, cause: &PostError| {
            tracing::warn!(
                job_id = %subscriber.job_id,
                connection_id = destination.connection_id,
                correlation_id = %subscriber.correlation_id,
                seq = outgoing.seq(),
                attempts,
                cause = %cause,
                "a message could not be sent; the job continues",
            );
        };
        match delivery {
            Delivery::Sent { attempts } => {
                if let Outgoing::Durable { seq, .. } = outgoing {
                    self.mailbox(&destination.connection_id, |mailbox| mailbox.sent(*seq));
                }
                self.stats.sent(attempts, start.elapsed());
                let outcome = match outgoing {
                    Outgoing::TokenExpired { .. } => {
                        self.mailbox(&destination.connection_id, Mailbox::notice_sent);
                        Outcome::TokenExpired
                    }
                    Outgoing::Durable { .. } | Outgoing::Latest { .. } => Outcome::Sent,
                };
                self.observer.on_outcome(subscriber, outcome).await;
            }
            Delivery::Superseded => {}
            Delivery::Gone => {
                self.stats.gone();
                self.mailbox(&destination.connection_id, Mailbox::close);
                self.observer.on_outcome(subscriber, Outcome::Gone).await;
            }
            Delivery::Spent { attempts, cause } => {
                self.stats.retried(attempts);
                failed(attempts, &cause);
                let unsent = match outgoing {
                    Outgoing::Durable { seq, .. } => {
                        let last = self.mailbox(&destination.connection_id, Mailbox::defer);
                        Some((*seq, last.unwrap_or(*seq)))
                    }
                    Outgoing::TokenExpired { .. } => {
                        self.mailbox(&destination.connection_id, Mailbox::notice_failed)
                    }
                    Outgoing::Latest { .. } => None,
                };
                if let Some((first, last)) = unsent {
                    let deferred = Outcome::Deferred {
                        after_seq: first.saturating_sub(1),
                        through_seq: last,
                    };
                    self.stats.deferred(1);
                    self.observer.on_outcome(subscriber, deferred).await;
                }
            }
            Delivery::Refused(cause) => tracing::error!(
                job_id = %subscriber.job_id,
                connection_id = destination.connection_id,
                correlation_id = %subscriber.correlation_id,
                %cause,
                "a message was refused, and retries cannot succeed; the job continues",
            ),
        }
    }
}

/// The message to a subscriber whose token has expired.
fn token_expired_notice(subscriber: &Subscriber, now: Timestamp) -> Bytes {
    let (message, details) = match &subscriber.feed {
        None => {
            let job_id = &subscriber.job_id;
            let message = format!(
                "the token of the subscription to {job_id} has expired, so no more messages of the job are sent; the job \
                 goes on: subscribe again with a new token, and with `after_seq`"
            );
            (message, json!({ "job_id": job_id }))
        }
        Some(feed) => {
            let owner = feed.owner();
            let message = format!(
                "the token of the subscription to the jobs of the owner {owner} has expired, so no more messages of them are \
                 sent; the jobs go on: subscribe again with a new token, and list the jobs"
            );
            (message, json!({ "owner": owner }))
        }
    };
    let notice = ServerMessage::Error(ErrorReply {
        code: ErrorCode::TokenExpired,
        message,
        request_id: RequestId::new(now, random()).to_string(),
        details: Some(details),
        timestamp: now,
    });
    Bytes::from(notice.to_json())
}

/// Posts within the sender's limits: its permits, the account's throttle and the priority of writes. A
/// permit is held for one attempt only, so a connection that waits for a retry holds none.
struct Bounded<'a, P, A>(&'a Inner<P, A>);

impl<P: Post, A: DeliveryObserver> Post for Bounded<'_, P, A> {
    async fn post(&self, connection_id: &str, message: Bytes) -> Result<(), PostError> {
        self.0.throttle.wait().await;
        let _permit = self.0.permits.acquire().await;
        self.0.gate.wait_until_open().await;
        let answer = self.0.post.post(connection_id, message).await;
        match &answer {
            Ok(()) => self.0.throttle.succeeded(),
            Err(PostError::Throttled) => self.0.throttle.throttled(connection_id),
            Err(_) => {}
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use stagecast_contract::{
        ids::{CorrelationId, JobId},
        timestamp::Timestamp,
    };

    use super::*;

    /// A fake of API Gateway: posts to `silent` never return, posts to `full` are throttled.
    #[derive(Clone, Debug, Default)]
    struct Posts(Arc<Mutex<Vec<(String, Bytes)>>>);

    impl Post for Posts {
        async fn post(&self, connection_id: &str, message: Bytes) -> Result<(), PostError> {
            let post = (connection_id.to_owned(), message);
            self.0.lock().unwrap().push(post);
            if connection_id == "silent" {
                std::future::pending::<()>().await;
            }
            if connection_id == "full" {
                return Err(PostError::Throttled);
            }
            Ok(())
        }
    }

    /// An observer that records what was deferred.
    #[derive(Clone, Debug, Default)]
    struct Deferrals(Arc<Mutex<Vec<(String, u64, u64)>>>);

    impl DeliveryObserver for Deferrals {
        async fn on_outcome(&self, subscriber: &Subscriber, outcome: Outcome) {
            if let Outcome::Deferred {
                after_seq,
                through_seq,
            } = outcome
            {
                let deferred = (subscriber.connection_id.clone(), after_seq, through_seq);
                self.0.lock().unwrap().push(deferred);
            }
        }
    }

    fn subscriber(connection_id: &str, now: Timestamp) -> Subscriber {
        let since = now.plus_seconds(-60);
        Subscriber {
            job_id: JobId::new(since, [7; 8]),
            connection_id: connection_id.to_owned(),
            connected_at: since,
            subscribed_at: since,
            at_seq: 0,
            correlation_id: CorrelationId::new(since, [7; 8]),
            expires_at: since.plus_seconds(3600).epoch_seconds(),
            token: None,
            feed: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_post_starts_while_posts_are_paused() {
        let (posts, clock) = (Posts::default(), Clock::system());
        let retry_policy = RetryPolicy::post::<stagecast_contract::functions::WorkerFunction>();
        let sender = Sender::new(
            posts.clone(),
            Deferrals::default(),
            retry_policy,
            clock.clone(),
        );
        let posted = || posts.0.lock().unwrap().len();

        let pause = sender.pause_posts();
        let message = Bytes::from_static(b"{}");
        sender.send(
            &subscriber("other", clock.now()),
            Outgoing::Latest { message },
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(posted(), 0);
        drop(pause);
        sender.flush().await;
        assert_eq!(posted(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn messages_after_an_incomplete_flush_are_deferred() {
        let (posts, deferred, clock) = (Posts::default(), Deferrals::default(), Clock::system());
        let retry_policy = RetryPolicy {
            total: Duration::from_mins(1),
            ..RetryPolicy::post::<stagecast_contract::functions::WorkerFunction>()
        };
        let sender = Sender::new(posts.clone(), deferred.clone(), retry_policy, clock.clone());
        let now = clock.now();
        let durable = |seq: u64| Outgoing::Durable {
            seq,
            message: Bytes::from(seq.to_string()),
        };
        for id in ["silent", "other"] {
            sender.send(&subscriber(id, now), durable(1));
        }
        let (counts, unfinished) = sender.flush_within(Duration::from_secs(5)).await;
        let silent = Unfinished {
            connection_id: "silent".to_owned(),
            sent_seq: None,
        };
        assert_eq!((counts.sent, unfinished), (1, vec![silent]));

        for id in ["silent", "other"] {
            sender.send(&subscriber(id, now), durable(2));
        }
        sender.flush_within(Duration::from_secs(5)).await;
        let posts = posts.0.lock().unwrap().clone();
        let to = |id: &str| posts.iter().filter(|(to, _)| to == id).count();
        assert_eq!((to("other"), to("silent")), (2, 1), "{posts:?}");
        assert_eq!(*deferred.0.lock().unwrap(), [("silent".to_owned(), 0, 2)]);
    }

    #[tokio::test(start_paused = true)]
    async fn each_message_to_a_stalled_reader_is_deferred_at_most_twice() {
        const MESSAGES: u64 = 8;
        let (posts, deferred, clock) = (Posts::default(), Deferrals::default(), Clock::system());
        let retry_policy = RetryPolicy::post::<stagecast_contract::functions::WorkerFunction>();
        let sender = Sender::new(posts.clone(), deferred.clone(), retry_policy, clock.clone());
        let full = subscriber("full", clock.now());
        for seq in 1..=MESSAGES {
            let message = Bytes::from(seq.to_string());
            sender.send(&full, Outgoing::Durable { seq, message });
            if seq >= 3 {
                sender.flush().await;
            }
        }
        let deferred = deferred.0.lock().unwrap().clone();
        for seq in 1..=MESSAGES {
            let covers =
                |(_, after, through): &&(String, u64, u64)| *after < seq && seq <= *through;
            let times = deferred.iter().filter(covers).count();
            assert!(
                (1..=2).contains(&times),
                "{seq} is deferred {times} times: {deferred:?}"
            );
        }
    }
}
