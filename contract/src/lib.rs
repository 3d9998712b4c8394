//! What Stagecast's functions and its infrastructure agree on.
//!
//! Every route, table, queue, bucket, function, permission and message is declared here once. The
//! functions are written against these declarations and `infra-gen` builds the template from them,
//! so the two cannot disagree and still compile.
//!
//! | to change | look in |
//! | --- | --- |
//! | the routes of both APIs | [`routes`](mod@routes) |
//! | a table, its keys and indexes | [`tables`] |
//! | a queue, the bucket | [`queues`], [`buckets`] |
//! | a function, its triggers and what it may do | [`functions`] |
//! | the kinds of permission there are | [`grants`] |
//! | names of environment variables | [`environment`] |
//! | what travels over the APIs | [`messages`], [`http`], [`worker`] |
//! | what the jobs of the pipeline are made from | [`input`] |
//! | how results pass through unchanged | [`json`] |
//! | limits that clients notice | [`limits`] |

pub mod buckets;
pub mod environment;
pub mod functions;
pub mod grants;
pub mod http;
pub mod ids;
pub mod input;
pub mod json;
pub mod limits;
pub mod messages;
pub mod queues;
mod reading;
pub mod routes;
pub mod tables;
#[doc(hidden)]
pub mod text;
pub mod timestamp;
pub mod worker;
