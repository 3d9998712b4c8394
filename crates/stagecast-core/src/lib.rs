//! The library of Stagecast's functions: stores, delivery and the pipeline runner. The AWS clients are
//! those of [`granted_aws`], stages and pipelines those of [`stage_pipeline`].
//!
//! A module uses only modules above it in this table; `layers.rs` checks that.
//!
//! | module | content |
//! | --- | --- |
//! | [`clock`] | time and randomness, which tests can control |
//! | [`batch`] | batches of messages of a queue |
//! | [`response_size`] | the size of a response as Lambda measures it |
//! | [`retry`] | retry policies with backoff |
//! | [`metrics`] | metrics in CloudWatch's embedded metric format |
//! | [`models`] | the items of the tables |
//! | [`owner_tokens`] | the verification of owner tokens, and what they permit |
//! | [`stores`] | reads, conditional writes and transactions of these items |
//! | [`waiting`] | the place of a job in its queue of external workers |
//! | [`watchdog`] | when the watchdog checks a job, and what it does then |
//! | [`starting`] | starting a job that has its input |
//! | [`upload_deadline`] | when the upload of an input is checked, and what is done then |
//! | [`delivery`] | sending messages to connections: in order, bounded in time, retried |
//! | [`unattended`] | ending a job that no run and no worker holds |
//! | [`cancellation`] | cancelling a job |
//! | [`pipeline`] | running the stages of a job under a lease |
//! | [`error`] | the error of a request, for both APIs |
//! | [`http`] | requests and responses of the HTTP API |

pub mod batch;
pub mod cancellation;
pub mod clock;
pub mod delivery;
pub mod error;
pub mod hash;
pub mod http;
#[cfg(test)]
mod layers;
pub mod metrics;
pub mod models;
pub mod owner_tokens;
pub mod pipeline;
pub mod response_size;
pub mod retry;
pub mod starting;
pub mod stores;
pub mod unattended;
pub mod upload_deadline;
pub mod waiting;
pub mod watchdog;
