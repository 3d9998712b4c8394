//! The stores, the publisher, the runner and the settling of unattended jobs on AWS in this process.

mod artifacts;
mod checkpoints;
mod claims;
mod external;
mod limits;
mod owner_feed;
mod publisher;
mod queue_waker;
mod retention;
mod retries;
mod runner;
mod token_expiry;
mod unattended;
mod webhooks;
