//! The shared contract of Stagecast's functions and its infrastructure.
//!
//! Every route, table, queue, bucket, function, permission and message is declared here once. The
//! functions are written against these declarations and `infra-gen` builds the template from them,
//! so a mismatch is a compile error.
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
//!
//! # The crates of the workspace
//!
//! `just doc` builds the documentation of these crates, with this page first.
//!
//! | crate | contains | run by |
//! | --- | --- | --- |
//! | `contract` | the declarations above | every other crate |
//! | [`typed_contract`](../typed_contract/index.html) | library: macros and types for such declarations | |
//! | [`granted_aws`](../granted_aws/index.html) | library: AWS clients bounded by grants; logs | the functions |
//! | [`raw_json`](../raw_json/index.html) | library: JSON that is passed on byte for byte | |
//! | [`stage_pipeline`](../stage_pipeline/index.html) | library: stages, pipelines and their progress | |
//! | [`cloudformation`](../cloudformation/index.html) | library: templates and resources as typed values | |
//! | [`constructs`](../constructs/index.html) | library: tables, queues, functions, APIs, alarms as CloudFormation | |
//! | [`cloudformation_diff`](../cloudformation_diff/index.html) | library: the comparison of templates | |
//! | [`cloudformation_deploy`](../cloudformation_deploy/index.html) | library: change sets, events, packages | |
//! | [`local_aws`](../local_aws/index.html) | library: a template on one machine | `local`, tests |
//! | [`infra_gen`](../stagecast_infra/index.html) | typed infrastructure, templates, `deploy`, `diff` | `infra-gen` |
//! | [`stagecast_core`](../stagecast_core/index.html) | stores, delivery and the pipeline's runner | the functions |
//! | [`websocket`](../websocket/index.html) | the routes of the WebSocket API | API Gateway |
//! | [`jobs`](../jobs/index.html) | the HTTP API for clients | API Gateway |
//! | [`worker`](../worker/index.html) | the HTTP API for external workers | API Gateway |
//! | [`pipeline`](../pipeline/index.html) | the stages of a job | the jobs queue |
//! | [`delivery`](../delivery/index.html) | fan-out and late messages | the deliveries queue |
//! | [`local`](../local/index.html) | the local stack with the progress page | `cargo dev` |
//! | [`end_to_end`](../end_to_end/index.html) | the harness of the scenarios | `cargo test` |

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
