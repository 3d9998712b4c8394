//! The shared contract of the job system's functions and its infrastructure, and what a product adds to it.
//!
//! Every route, table, queue, bucket, function, permission and message of the job system is declared here
//! once. The functions are written against these declarations and `infra-gen` builds the template from them
//! and from those of a [`Product`](product::Product), so a mismatch is a compile error.
//!
//! | to change | look in |
//! | --- | --- |
//! | the routes of both APIs | [`routes`](mod@routes) |
//! | a table, its keys and indexes | [`tables`] |
//! | a queue, the bucket | [`queues`], [`buckets`] |
//! | a function, its triggers and permissions | [`functions`] |
//! | the settings of functions | [`environment`] |
//! | the description of a job | [`description`] |
//! | the time limits and the retention of a job | [`time_limits`], [`retention`] |
//! | the messages and bodies of both APIs | [`messages`], [`http`], [`worker`] |
//! | what a product declares, and which inputs it accepts | [`product`], [`input`] |
//! | the queues of external workers, and the tokens of those that claim from them | [`worker_queues`], [`worker_tokens`] |
//! | the tokens of the owners of jobs | [`owner_tokens`] |
//! | webhooks: events, URLs, rules of an environment | [`webhooks`] |
//! | limits of the APIs | [`limits`] |

pub mod buckets;
pub mod description;
pub mod environment;
pub mod functions;
pub mod http;
pub mod ids;
pub mod input;
pub mod limits;
pub mod messages;
pub mod metrics;
pub mod owner_tokens;
pub mod product;
pub mod queues;
mod reading;
pub mod retention;
pub mod routes;
pub mod tables;
pub mod time_limits;
pub mod timestamp;
mod webhook_secret;
pub mod webhooks;
pub mod worker;
pub mod worker_queues;
pub mod worker_tokens;

/// For the expansion of [`pipeline_function!`].
#[doc(hidden)]
pub use typed_contract;
