//! Subscribing and unsubscribing. Each is one transaction, so that a durable message that is published at
//! the same time is neither lost nor sent twice.

use aws_sdk_dynamodb::types::{
    AttributeValue,
    builders::{DeleteBuilder, PutBuilder, UpdateBuilder},
};
use granted_aws::{Database, number, text};
use stagecast_contract::{
    ids::{CorrelationId, JobId},
    limits::{CONNECTION_TTL_SECONDS, replay_burst},
    tables::{
        CONNECTION_SENTINEL, ConnectionKey, Connections, JobKey, Jobs, SubscriberKey, Subscribers,
    },
    timestamp::Timestamp,
};
use typed_contract::{
    functions::Function,
    grants::{DeleteItem, GetItem, Granted, PutItem, UpdateItem},
};

use super::{
    StoreError,
    allowance::{unchanged, values},
    connections::is_half_expired,
    transactions::{CancelledTransaction, cancellation_cause, contended, is_read_conflict},
};
use crate::{
    clock::Clock,
    models::{Connection, Job, ReplayAllowance, ReplayLimited, SentRange, Subscriber, TokenAccess},
    owner_tokens::JobCredential,
    retry::RetryPolicy,
};

/// A connection that subscribes to a job.
#[derive(Clone, Debug)]
pub struct SubscriptionRequest<'a> {
    /// API Gateway's id of the connection.
    pub connection_id: &'a str,
    /// When the connection began.
    pub connected_at: Timestamp,
    /// The id that all log records of the connection have.
    pub correlation_id: CorrelationId,
    /// The job.
    pub job_id: &'a JobId,
}

/// A job, a connection and the subscription between them, read at one point in time.
#[derive(Clone, Debug)]
pub struct SubscribeContext {
    job: Option<Job>,
    connection: Option<Connection>,
    subscription: Option<Connection>,
}

/// A connection that may subscribe to a job.
#[derive(Clone, Debug)]
pub struct Authorized {
    /// The job.
    pub job: Job,
    /// The subscription that exists already and is renewed.
    subscription: Option<Connection>,
    /// The token of the subscription once it is stored; none if an access key opens it.
    token: Option<TokenAccess>,
    /// The connection's replay allowance as it was read.
    allowance: ReplayAllowance,
    /// Jobs that the connection may be subscribed to at a time.
    max_subscriptions: u32,
}

impl Authorized {
    /// The `seq` after which a request for the log after `after` is served: the events before it were
    /// replayed to the connection already.
    pub fn unsent_after(&self, after: u64) -> u64 {
        SentRange::unsent_after(self.replayed(), after)
    }

    /// Whether the connection is subscribed by the same token or key, or by a later token, and the subscription does
    /// not have to be renewed.
    pub fn is_subscribed(&self, now: Timestamp) -> bool {
        self.subscription.as_ref().is_some_and(|subscription| {
            subscription.token == self.token && !is_half_expired(subscription.expires_at, now)
        })
    }

    /// When the token of the subscription expires.
    pub fn token_expires_at(&self) -> Option<Timestamp> {
        self.token.as_ref().map(TokenAccess::expiry)
    }

    /// The connection's replay allowance as it was read.
    pub fn allowance(&self) -> ReplayAllowance {
        self.allowance
    }

    /// The allowance after a `subscribed` and a replay of the log after `from`.
    pub fn charged(&self, from: u64, now_millis: u64) -> Result<ReplayAllowance, ReplayLimited> {
        let events = self.job.seq.saturating_sub(from);
        let burst = replay_burst(self.max_subscriptions);
        self.allowance.take(1 + events, burst, now_millis)
    }

    /// The part of the log that was replayed to the connection.
    pub fn replayed(&self) -> Option<SentRange> {
        self.subscription
            .as_ref()
            .and_then(|subscription| subscription.replayed)
    }
}

/// The optimistic-concurrency precondition of [`SubscriptionStore::commit`]: what must not have changed
/// in the job since it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// The log and the progress, because the next progress update may be long in coming.
    All,
    /// The log only.
    Log,
    /// Nothing.
    Nothing,
}

/// Why a connection may not subscribe to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscribeError {
    /// The access key is missing or wrong, or the job does not exist.
    Forbidden,
    /// The request relies on a subscription whose token has expired.
    TokenExpired,
    /// The connection has the maximum number of subscriptions.
    TooMany,
    /// The connection has no item, or none any more.
    NoConnection,
    /// A pending reply has to be sent to the client first.
    ReplyPending,
}

/// The result of storing a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitOutcome {
    /// The subscription was stored.
    Committed,
    /// The precondition does not hold any more: read the [`SubscribeContext`] again.
    Conflict,
}

/// The subscriptions in `websocket_connections` and `job_subscribers`.
#[derive(Debug)]
pub struct SubscriptionStore<F> {
    pub(super) database: Database<F>,
    pub(super) clock: Clock,
}

impl<F> Clone for SubscriptionStore<F> {
    fn clone(&self) -> Self {
        Self {
            database: self.database.clone(),
            clock: self.clock.clone(),
        }
    }
}

impl<F: Function> SubscriptionStore<F> {
    /// A store of subscriptions in the tables of `database`.
    pub fn new(database: Database<F>, clock: Clock) -> Self {
        Self { database, clock }
    }

    /// Reads the connection, the job and the subscription between them, in one call.
    pub async fn load_context(
        &self,
        connection_id: &str,
        job_id: &JobId,
    ) -> Result<SubscribeContext, StoreError>
    where
        F: Granted<GetItem<Jobs>> + Granted<GetItem<Connections>>,
    {
        let job_id = job_id.as_str();
        let reading = self
            .database
            .reading()
            .get(&JobKey { job_id })?
            .get(&ConnectionKey {
                connection_id,
                job_id: CONNECTION_SENTINEL,
            })?
            .get(&ConnectionKey {
                connection_id,
                job_id,
            })?
            .build();
        // A running job is written all the time, so conflicts are common.
        let answer = RetryPolicy::TRANSACTION_CONFLICT
            .run(|| reading.clone().send(), is_read_conflict)
            .await
            .map_err(StoreError::of("reading the job and the connection"))?;
        let now = self.clock.now();
        let mut items = answer
            .responses
            .unwrap_or_default()
            .into_iter()
            .map(|answer| answer.item);
        let mut next = || items.next().flatten().filter(|item| !item.is_empty());
        let job = next().map(Job::from_dynamodb_item).transpose()?;
        let connection = next().map(Connection::from_dynamodb_item).transpose()?;
        let subscription = next().map(Connection::from_dynamodb_item).transpose()?;
        Ok(SubscribeContext {
            job: job.filter(|job| job.is_live(now)),
            connection: connection.filter(|connection| connection.is_live(now)),
            subscription,
        })
    }

    /// Whether the connection may subscribe to the job: the credential opens the job, or the connection
    /// is subscribed already. A new subscription is refused when the connection has
    /// `max_subscriptions`; [`Self::commit`] checks the same limit in its transaction.
    pub fn authorize(
        &self,
        context: SubscribeContext,
        credential: Option<JobCredential<'_>>,
        max_subscriptions: u32,
    ) -> Result<Authorized, SubscribeError> {
        let connection = context.connection.ok_or(SubscribeError::NoConnection)?;
        let subscription = context.subscription;
        let job = context.job.filter(|job| {
            credential.map_or(subscription.is_some(), |credential| credential.opens(job))
        });
        let job = job.ok_or(SubscribeError::Forbidden)?;
        let current = subscription.as_ref().and_then(|it| it.token.as_ref());
        let token = match credential {
            Some(JobCredential::Token(access)) => {
                Some(TokenAccess::from(access).replacing(current))
            }
            Some(JobCredential::AccessKey(_)) => None,
            None => match current {
                Some(token) if token.has_expired(self.clock.now()) => {
                    return Err(SubscribeError::TokenExpired);
                }
                current => current.cloned(),
            },
        };
        if connection.pending_reply.is_some() {
            return Err(SubscribeError::ReplyPending);
        }
        if subscription.is_none() && connection.subscriptions >= max_subscriptions {
            return Err(SubscribeError::TooMany);
        }
        Ok(Authorized {
            job,
            subscription,
            token,
            allowance: connection.replay_allowance,
            max_subscriptions,
        })
    }

    /// Stores the subscription and adds 1 to the job's `subscribers_version`, if `precondition` holds.
    /// `allowance` is the connection's new replay allowance; if another request has changed the allowance
    /// since it was read, that is a conflict as well.
    ///
    /// The transaction and the publisher both write the job's item. Messages published before are in the
    /// log up to the `seq` that was read; a publisher that commits later sees the new version and reads
    /// the list of subscribers again. So each durable message is either replayed from the log or sent by
    /// the publisher.
    pub async fn commit(
        &self,
        request: &SubscriptionRequest<'_>,
        authorized: &Authorized,
        allowance: ReplayAllowance,
        precondition: Precondition,
    ) -> Result<CommitOutcome, StoreError>
    where
        F: Granted<UpdateItem<Jobs>>
            + Granted<UpdateItem<Connections>>
            + Granted<PutItem<Connections>>
            + Granted<PutItem<Subscribers>>,
    {
        let written = RetryPolicy::TRANSACTION_CONFLICT
            .run(
                || self.write(request, authorized, allowance, precondition),
                |cancelled| matches!(cancelled, CancelledTransaction::Contended),
            )
            .await;
        match written {
            Ok(()) => Ok(CommitOutcome::Committed),
            Err(CancelledTransaction::Condition) => Ok(CommitOutcome::Conflict),
            Err(CancelledTransaction::Contended) => Err(contended("subscribing")),
            Err(CancelledTransaction::Failed(error)) => Err(error),
        }
    }

    async fn write(
        &self,
        request: &SubscriptionRequest<'_>,
        authorized: &Authorized,
        allowance: ReplayAllowance,
        precondition: Precondition,
    ) -> Result<(), CancelledTransaction>
    where
        F: Granted<UpdateItem<Jobs>>
            + Granted<UpdateItem<Connections>>
            + Granted<PutItem<Connections>>
            + Granted<PutItem<Subscribers>>,
    {
        let (job, is_renewal) = (&authorized.job, authorized.subscription.is_some());
        let most = authorized.max_subscriptions;
        let now = self.clock.now();
        let (subscription, subscriber) = items(request, authorized, precondition, now);
        let subscription_item = subscription
            .to_dynamodb_item()
            .map_err(|error| CancelledTransaction::Failed(error.into()))?;
        let subscriber_item = subscriber
            .to_dynamodb_item()
            .map_err(|error| CancelledTransaction::Failed(error.into()))?;
        let job_key = JobKey {
            job_id: request.job_id.as_str(),
        };
        let connection_key = ConnectionKey {
            connection_id: request.connection_id,
            job_id: CONNECTION_SENTINEL,
        };
        let transaction = self
            .database
            .transaction()
            .update(&job_key, |update| {
                let update = update
                    .update_expression("ADD subscribers_version :one")
                    .expression_attribute_values(":one", number(1))
                    .expression_attribute_values(":now", number(now.epoch_seconds()));
                with_precondition(update, job, precondition)
            })
            .and_then(|transaction| {
                transaction.update(&connection_key, |update| {
                    let mut set = "SET last_activity = :now, expires_at = :expires_at".to_owned();
                    let mut condition =
                        "attribute_exists(connection_id) AND attribute_not_exists(pending_reply)"
                            .to_owned();
                    let mut update = update
                        .expression_attribute_values(":now", text(now))
                        .expression_attribute_values(
                            ":expires_at",
                            number(subscription.expires_at.epoch_seconds()),
                        );
                    if allowance != authorized.allowance {
                        set.push_str(", replay_full_at = :full_at");
                        condition.push_str(" AND ");
                        condition.push_str(unchanged(authorized.allowance));
                        for (name, value) in values(authorized.allowance, allowance) {
                            update = update.expression_attribute_values(name, value);
                        }
                    }
                    if !is_renewal {
                        set.push_str(" ADD subscriptions :one");
                        condition.push_str(" AND subscriptions < :most");
                        update = update
                            .expression_attribute_values(":one", number(1))
                            .expression_attribute_values(":most", number(most));
                    }
                    update
                        .update_expression(set)
                        .condition_expression(condition)
                })
            })
            .and_then(|transaction| {
                transaction.put::<Connection>(|put| {
                    let known = authorized.subscription.as_ref();
                    with_subscription(put.set_item(Some(subscription_item)), known)
                })
            })
            .and_then(|transaction| {
                transaction.put::<Subscriber>(|put| put.set_item(Some(subscriber_item)))
            })
            .map_err(|error| CancelledTransaction::Failed(error.into()))?;
        transaction
            .build()
            .send()
            .await
            .map_err(|error| cancellation_cause("subscribing", error))?;
        Ok(())
    }

    /// Deletes the subscription and adds 1 to the job's `subscribers_version`, so that its publisher stops
    /// sending to the connection. False when the connection was not subscribed.
    pub async fn unsubscribe(&self, connection_id: &str, job_id: &JobId) -> Result<bool, StoreError>
    where
        F: Granted<UpdateItem<Jobs>>
            + Granted<UpdateItem<Connections>>
            + Granted<DeleteItem<Connections>>
            + Granted<DeleteItem<Subscribers>>,
    {
        let id = job_id.as_str();
        end(&self.database, connection_id, id, Some(job_id), None).await
    }
}

/// Deletes the subscription `key` and adds 1 to the `subscribers_version` of `job`, so that its publisher stops sending to
/// the connection. A feed has no job: its list is read for each message. With `expired`, only if both items have this token, or an earlier one of an extension that was
/// interrupted. False if there was no such subscription.
pub(super) async fn end<F>(
    database: &Database<F>,
    connection_id: &str,
    key: &str,
    job: Option<&JobId>,
    expired: Option<&TokenAccess>,
) -> Result<bool, StoreError>
where
    F: Function
        + Granted<UpdateItem<Jobs>>
        + Granted<UpdateItem<Connections>>
        + Granted<DeleteItem<Connections>>
        + Granted<DeleteItem<Subscribers>>,
{
    let subscription_key = ConnectionKey {
        connection_id,
        job_id: key,
    };
    let connection_key = ConnectionKey {
        connection_id,
        job_id: CONNECTION_SENTINEL,
    };
    let subscriber_key = SubscriberKey {
        job_id: key,
        connection_id,
    };
    let with_token = |delete: DeleteBuilder, condition: &str| match expired {
        Some(token) => delete
            .condition_expression("token_access.expires_at <= :expired")
            .expression_attribute_values(":expired", number(token.expires_at)),
        None if condition.is_empty() => delete,
        None => delete.condition_expression(condition),
    };
    let write = || async {
        let transaction = database
            .transaction()
            .delete(&subscription_key, |delete| {
                with_token(delete, "attribute_exists(connection_id)")
            })
            .and_then(|transaction| {
                transaction.update(&connection_key, |update| {
                    update
                        .update_expression("ADD subscriptions :less")
                        .condition_expression("attribute_exists(connection_id)")
                        .expression_attribute_values(":less", number(-1))
                })
            })
            .and_then(|transaction| {
                transaction.delete(&subscriber_key, |delete| with_token(delete, ""))
            })
            .and_then(|transaction| match job {
                None => Ok(transaction),
                Some(job) => transaction.update(
                    &JobKey {
                        job_id: job.as_str(),
                    },
                    |update| {
                        update
                            .update_expression("ADD subscribers_version :one")
                            .condition_expression("attribute_exists(job_id)")
                            .expression_attribute_values(":one", number(1))
                    },
                ),
            })
            .map_err(|error| CancelledTransaction::Failed(error.into()))?;
        transaction
            .build()
            .send()
            .await
            .map_err(|error| cancellation_cause("unsubscribing", error))
    };
    match RetryPolicy::TRANSACTION_CONFLICT
        .run(write, |cancelled| {
            matches!(cancelled, CancelledTransaction::Contended)
        })
        .await
    {
        Ok(_) => Ok(true),
        Err(CancelledTransaction::Condition) => Ok(false),
        Err(CancelledTransaction::Contended) => Err(contended("unsubscribing")),
        Err(CancelledTransaction::Failed(error)) => Err(error),
    }
}

/// The item of the subscription and the one in the list of the job's subscribers.
fn items(
    request: &SubscriptionRequest<'_>,
    authorized: &Authorized,
    precondition: Precondition,
    now: Timestamp,
) -> (Connection, Subscriber) {
    let mut subscription = Connection::starting(
        request.connection_id,
        Some(request.job_id.clone()),
        request.correlation_id.clone(),
        request.connected_at.min(now),
    );
    subscription.last_activity = now;
    subscription.replayed = authorized.replayed();
    subscription.expires_at = now.plus_seconds(CONNECTION_TTL_SECONDS);
    subscription.token.clone_from(&authorized.token);
    let subscriber = Subscriber {
        job_id: request.job_id.clone(),
        connection_id: request.connection_id.to_owned(),
        connected_at: request.connected_at,
        subscribed_at: now,
        at_seq: match precondition {
            Precondition::All | Precondition::Log => authorized.job.seq,
            Precondition::Nothing => 0,
        },
        correlation_id: request.correlation_id.clone(),
        expires_at: subscription.expires_at.epoch_seconds(),
        token: authorized.token.clone(),
        feed: None,
    };
    (subscription, subscriber)
}

/// Adds the condition that the subscription is as it was read: a token that has extended it in the meantime must not be
/// replaced.
pub(super) fn with_subscription(put: PutBuilder, subscription: Option<&Connection>) -> PutBuilder {
    match subscription {
        None => put.condition_expression("attribute_not_exists(connection_id)"),
        Some(Connection { token: None, .. }) => put.condition_expression(
            "attribute_exists(connection_id) AND attribute_not_exists(token_access)",
        ),
        Some(Connection {
            token: Some(token), ..
        }) => put
            .condition_expression("token_access.expires_at = :token_expires_at")
            .expression_attribute_values(":token_expires_at", number(token.expires_at)),
    }
}

/// Adds the condition that the job's item is as it was read, as far as `precondition` says.
fn with_precondition(
    update: UpdateBuilder,
    job: &Job,
    precondition: Precondition,
) -> UpdateBuilder {
    match precondition {
        Precondition::All => {
            let stage = job.stage.as_ref();
            update
                .condition_expression(
                    "seq = :seq AND expires_at > :now AND #status = :status AND \
                     stage = :stage AND progress = :progress AND attempt = :attempt",
                )
                .expression_attribute_names("#status", "status")
                .expression_attribute_values(":seq", number(job.seq))
                .expression_attribute_values(":status", text(job.status.name()))
                .expression_attribute_values(
                    ":stage",
                    stage.map_or(AttributeValue::Null(true), text),
                )
                .expression_attribute_values(":progress", number(job.progress))
                .expression_attribute_values(":attempt", number(job.attempt))
        }
        Precondition::Log => update
            .condition_expression("seq = :seq AND expires_at > :now")
            .expression_attribute_values(":seq", number(job.seq)),
        Precondition::Nothing => update.condition_expression("expires_at > :now"),
    }
}
