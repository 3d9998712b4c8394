//! Maintains the items of connections after posts, and defers what could not be sent.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use granted_aws::Queues;
use stagecast_contract::{
    limits::CONNECTION_TTL_SECONDS,
    queues::{DeliveryQueue, DeliveryTask, Recipients},
    tables::{Connections, Jobs, Subscribers},
};
use typed_contract::{
    functions::Function,
    grants::{DeleteItem, Granted, Query, SendMessage, UpdateItem},
};

use super::{DeliveryObserver, Outcome, deferred_fan_out::queue_with_retry};
use crate::{
    models::Subscriber,
    stores::{ConnectionStore, StoreError},
};

/// The grants of a function that maintains connections.
pub trait MaintainsConnections:
    Function
    + Granted<Query<Connections>>
    + Granted<UpdateItem<Connections>>
    + Granted<DeleteItem<Connections>>
    + Granted<UpdateItem<Subscribers>>
    + Granted<DeleteItem<Subscribers>>
    + Granted<UpdateItem<Jobs>>
    + Granted<SendMessage<DeliveryQueue>>
{
}

impl<F> MaintainsConnections for F where
    F: Function
        + Granted<Query<Connections>>
        + Granted<UpdateItem<Connections>>
        + Granted<DeleteItem<Connections>>
        + Granted<UpdateItem<Subscribers>>
        + Granted<DeleteItem<Subscribers>>
        + Granted<UpdateItem<Jobs>>
        + Granted<SendMessage<DeliveryQueue>>
{
}

/// Renews connections after successful posts, deletes connections that are gone, ends subscriptions whose token
/// has expired, and queues delivery tasks for messages that could not be sent.
#[derive(Debug)]
pub struct ConnectionMaintainer<F> {
    connections: ConnectionStore<F>,
    queues: Queues<F>,
    /// The expiry, in epoch seconds, of subscriptions that were renewed after the list of subscribers was
    /// read, by the key of the subscription and connection.
    renewed: Mutex<HashMap<(String, String), i64>>,
}

impl<F: MaintainsConnections> ConnectionMaintainer<F> {
    /// A maintainer that writes to this store and these queues.
    pub fn new(connections: ConnectionStore<F>, queues: Queues<F>) -> Self {
        Self {
            connections,
            queues,
            renewed: Mutex::default(),
        }
    }

    async fn renew(&self, subscriber: &Subscriber) -> Result<(), StoreError> {
        let mut current = subscriber.clone();
        let key = current.subscribed_to().to_owned();
        let subscription = (key, current.connection_id.clone());
        if let Some(expires_at) = self.lock().get(&subscription) {
            current.expires_at = current.expires_at.max(*expires_at);
        }
        if let Some(expires_at) = self.connections.renew(&current).await? {
            let mut renewed = self.lock();
            // Entries that have expired were not used since.
            renewed.retain(|_, other| *other > expires_at - CONNECTION_TTL_SECONDS);
            renewed.insert(subscription, expires_at);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, String), i64>> {
        self.renewed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F: MaintainsConnections> DeliveryObserver for ConnectionMaintainer<F> {
    async fn on_outcome(&self, subscriber: &Subscriber, outcome: Outcome) {
        let result = match outcome {
            Outcome::Sent => self
                .renew(subscriber)
                .await
                .map_err(|error| error.to_string()),
            Outcome::Gone => self
                .connections
                .forget(&subscriber.connection_id)
                .await
                .map_err(|error| error.to_string()),
            // After the notice: if the function ends in between, the next message repeats both.
            Outcome::TokenExpired => self
                .connections
                .end_expired(subscriber)
                .await
                .map(|_| ())
                .map_err(|error| error.to_string()),
            Outcome::Deferred {
                after_seq,
                through_seq,
            } => {
                let connections = vec![subscriber.connection_id.clone()];
                let recipient = match subscriber.feed {
                    None => Recipients::Connections(connections),
                    Some(_) => Recipients::OwnerConnections(connections),
                };
                let task = DeliveryTask::log(subscriber.job_id.clone(), recipient, after_seq)
                    .through(through_seq);
                queue_with_retry(&self.queues, &task)
                    .await
                    .map_err(|error| error.to_string())
            }
        };
        if let Err(error) = result {
            tracing::error!(
                job_id = %subscriber.job_id,
                connection_id = subscriber.connection_id,
                correlation_id = %subscriber.correlation_id,
                ?outcome,
                error,
                "the outcome of a message could not be processed; the job continues",
            );
        }
    }
}
