//! Reads, conditional writes and transactions of the tables and of the results in the bucket.

mod allowance;
mod audience;
mod connections;
mod error;
mod events;
mod jobs;
mod results;
mod subscriptions;
mod transactions;

pub use audience::Page;
pub use connections::{ConnectionStore, correlation_id};
pub use error::StoreError;
pub use events::{Appended, EventStore};
pub use jobs::{Claim, Commit, CreationOutcome, ExternalClaim, JobStore, Lease, ProgressPoint};
pub use results::{ResultStore, StoredResults, packed};
pub use subscriptions::{
    Authorized, CommitOutcome, Precondition, SubscribeContext, SubscribeError, SubscriptionRequest,
    SubscriptionStore,
};
