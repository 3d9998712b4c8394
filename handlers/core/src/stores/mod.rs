//! The transactions on the tables.

mod allowance;
mod audience;
mod connections;
mod error;
mod events;
mod jobs;
mod results;
mod subscriptions;

pub use audience::Page;
pub use connections::{ConnectionStore, correlation_of};
pub use error::StoreError;
pub use events::{Appended, EventStore};
pub use jobs::{Claim, Claimant, Commit, Ending, JobStore, Lease, ProgressPoint};
pub use results::{ResultStore, StoredResults, packed};
pub use subscriptions::{
    Admitted, Committed, Refused, Standing, SubscriptionRequest, SubscriptionStore, Unmoved,
};
