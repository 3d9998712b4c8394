//! Which connections still lack what, after an attempt to deliver.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use contract::functions::DeliveryFunction;
use handlers_core::{
    delivery::{ConnectionMaintainer, DeliveryObserver, Outcome},
    models::Subscriber,
};

/// Collects what could not be delivered; what became of the rest is the housekeeper's.
#[derive(Clone, Debug)]
pub(crate) struct Shortfall {
    connection_maintainer: Arc<ConnectionMaintainer<DeliveryFunction>>,
    /// What each connection has, by its id.
    lacking: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Shortfall {
    pub(crate) fn new(connection_maintainer: Arc<ConnectionMaintainer<DeliveryFunction>>) -> Self {
        Self {
            connection_maintainer,
            lacking: Arc::default(),
        }
    }

    /// The connections that lack something, with the last `seq` that each has.
    pub(crate) fn take(&self) -> BTreeMap<String, u64> {
        std::mem::take(&mut self.lacking.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl DeliveryObserver for Shortfall {
    async fn on_outcome(&self, subscriber: &Subscriber, outcome: Outcome) {
        if let Outcome::Deferred { after_seq, .. } = outcome {
            let mut lacking = self.lacking.lock().unwrap_or_else(PoisonError::into_inner);
            let has = lacking
                .entry(subscriber.connection_id.clone())
                .or_insert(after_seq);
            *has = (*has).min(after_seq);
        } else {
            self.connection_maintainer
                .on_outcome(subscriber, outcome)
                .await;
        }
    }
}
