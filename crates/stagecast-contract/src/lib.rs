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
//! | the messages and bodies of both APIs | [`messages`], [`http`], [`worker`] |
//! | what a product declares, and which inputs it accepts | [`product`], [`input`] |
//! | limits of the APIs | [`limits`] |

pub mod buckets;
pub mod environment;
pub mod functions;
pub mod http;
pub mod ids;
pub mod input;
pub mod limits;
pub mod messages;
pub mod product;
pub mod queues;
mod reading;
pub mod routes;
pub mod tables;
pub mod timestamp;
pub mod worker;

/// For the expansion of [`pipeline_function!`].
#[doc(hidden)]
pub use typed_contract;
