//! Reads, conditional writes and transactions of the tables and of the objects in the bucket.

mod allowance;
mod artifact_list;
mod artifacts;
mod audience;
mod checkpoints;
mod connections;
mod error;
mod events;
mod feeds;
mod jobs;
mod json_objects;
mod owned_jobs;
mod parameters;
mod queue_listeners;
mod results;
mod subscriptions;
mod token_access;
mod transactions;
mod uploads;
mod waiting_jobs;
mod worker_tokens;

pub use artifacts::{ArtifactContents, ArtifactPut, ArtifactStore, Recorded};
pub use audience::Page;
pub use checkpoints::{CheckpointStore, Saves};
pub use connections::{ConnectionStore, correlation_id};
pub use error::StoreError;
pub use events::{Appended, EventStore, FirstEvents, Saved};
pub use feeds::FeedRequest;
pub use jobs::{
    Claim, Commit, Commits, CreationOutcome, ExternalClaim, HandBack, JobStore, Lease,
    ProgressPoint, ProgressWrite, RetryReservation, WorkerReport,
};
pub use owned_jobs::{OwnedJobStore, OwnedJobs};
pub use parameters::ParameterStore;
pub use queue_listeners::{ListenError, QueueListenerStore};
pub use results::{ResultStore, StoredResults, packed};
pub use subscriptions::{
    Authorized, CommitOutcome, Precondition, SubscribeContext, SubscribeError, SubscriptionRequest,
    SubscriptionStore,
};
pub use token_access::TokenExtension;
pub use uploads::{Assembled, PartUrl, UploadStore};
pub use waiting_jobs::{FreesSlots, Reserved, WaitingJobStore, WaitingOwners};
pub use worker_tokens::{QueueAccess, WorkerTokenStore};
