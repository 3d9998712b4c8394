//! The connections that an attempt could not deliver to.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use stagecast_contract::functions::DeliveryFunction;
use stagecast_core::{
    delivery::{ConnectionMaintainer, DeliveryObserver, Outcome},
    models::Subscriber,
};

/// Collects deferred messages. All other outcomes go to the connection maintainer.
#[derive(Clone, Debug)]
pub(crate) struct Undelivered {
    connection_maintainer: Arc<ConnectionMaintainer<DeliveryFunction>>,
    /// The last `seq` that each connection has received, by the connection's id.
    last_seqs: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Undelivered {
    pub(crate) fn new(connection_maintainer: Arc<ConnectionMaintainer<DeliveryFunction>>) -> Self {
        Self {
            connection_maintainer,
            last_seqs: Arc::default(),
        }
    }

    /// Removes and returns the connections that miss messages, each with the last `seq` that it has
    /// received.
    pub(crate) fn take(&self) -> BTreeMap<String, u64> {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.last_seqs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl DeliveryObserver for Undelivered {
    async fn on_outcome(&self, subscriber: &Subscriber, outcome: Outcome) {
        if let Outcome::Deferred { after_seq, .. } = outcome {
            let mut last_seqs = self.lock();
            let last_seq = last_seqs
                .entry(subscriber.connection_id.clone())
                .or_insert(after_seq);
            *last_seq = (*last_seq).min(after_seq);
        } else {
            self.connection_maintainer
                .on_outcome(subscriber, outcome)
                .await;
        }
    }
}
