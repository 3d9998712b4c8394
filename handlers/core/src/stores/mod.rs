//! The transactions on the tables.

mod connections;
mod error;
mod events;
mod jobs;
mod results;
mod subscriptions;

pub use connections::{ConnectionStore, correlation_of};
pub use error::StoreError;
pub use events::EventStore;
pub use jobs::{Claim, Ending, JobStore, Lease, ProgressPoint};
pub use results::{ResultStore, StoredResults};
pub use subscriptions::{
    Admitted, Committed, Refused, Standing, SubscriberPage, SubscriptionRequest, SubscriptionStore,
};
