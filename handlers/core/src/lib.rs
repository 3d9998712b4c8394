//! What Stagecast's functions share.
//!
//! | module | holds |
//! | --- | --- |
//! | [`aws`] | AWS clients that only do what their function is granted |
//! | [`models`] | the items of the tables |
//! | [`stores`] | the transactions on them: connections, subscriptions, jobs, the log |
//! | [`cancellation`] | asking a job to stop |
//! | [`unattended`] | ending a job that no run and no worker holds |
//! | [`watchdog`] | when to look at a job again, and what to do with it then |
//! | [`delivery`] | sending messages to connections: ordered, bounded, retried |
//! | [`progress`] | what a stage reports with, and the remaining time |
//! | [`pipeline`] | running the stages of a job |
//! | [`telemetry`] | logs as JSON |
//! | [`metrics`] | metrics as CloudWatch reads them from log lines |
//! | [`http`] | what a request of the HTTP API says, and how it is answered |
//! | [`error`] | the error of a request, for both APIs |
//! | [`clock`] | time and randomness, so that tests own them |

pub mod aws;
pub mod cancellation;
pub mod clock;
pub mod delivery;
pub mod error;
mod hash;
pub mod http;
#[cfg(test)]
mod layers;
pub mod metrics;
pub mod models;
pub mod pipeline;
pub mod progress;
pub mod response_size;
pub mod retry;
pub mod stores;
pub mod telemetry;
pub mod unattended;
pub mod watchdog;
