//! Runs the synthesized CloudFormation template on one machine.
//!
//! [`LocalStack::start`] reads the template and serves everything in it on one port: the functions'
//! real executables, the APIs in front of them, and the AWS services that they call. Functions have
//! no local mode; only their environment variables differ.
//!
//! | part | module |
//! | --- | --- |
//! | reading the template | `template` |
//! | routing a request to an API or service | `server` |
//! | API Gateway's WebSocket API and `@connections` | `websocket` |
//! | API Gateway's HTTP API | `http_api` |
//! | Lambda's Runtime API and the functions' processes | `lambda` |
//! | Lambda's event source mappings | `event_source` |
//! | DynamoDB, S3, SQS | `dynamodb`, `s3`, `sqs` |
//! | recorded calls and injected faults, for tests | [`Calls`], [`Faults`] |
//!
//! ```no_run
//! # async fn example(template: serde_json::Value) -> Result<(), Box<dyn std::error::Error>> {
//! use local::{Fault, LocalStack, Options, Times};
//!
//! let stack = LocalStack::start(Options::new(template, "target/debug")).await?;
//! let twice = Times::new(2);
//! stack.faults().on_post(move |_| twice.take().then_some(Fault::Throttle));
//! // Send requests to stack.urls().http_api and stack.urls().websocket, then inspect the stack:
//! let puts = stack.calls().count(|call| call.operation == "dynamodb:PutItem");
//! let jobs = stack.items("jobs")?;
//! stack.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! Differences from AWS: the stack enforces no IAM policy (it records the calls, and tests compare
//! them with the grants), throttles only where [`Faults`] say so, and does not freeze functions
//! between events.

mod book;
mod clock;
mod data_dir;
mod dynamodb;
mod error;
mod event_source;
mod faults;
mod host_check;
mod http_api;
mod http_util;
mod ids;
mod in_process;
mod lambda;
mod logs;
mod options;
mod recorder;
mod s3;
mod server;
mod services;
mod sqs;
mod stack;
mod static_files;
mod storage;
mod sync;
mod template;
mod websocket;

pub use dynamodb::DynamoDbError;
pub use error::StartError;
pub use faults::{Fault, Faults, Post, Times};
pub use in_process::InProcess;
pub use logs::{LogLine, ShowLogs};
pub use options::{Options, Urls};
pub use recorder::{Call, Calls};
pub use s3::BucketError;
pub use sqs::QueueDepth;
pub use stack::LocalStack;
pub use template::TemplateError;
pub use websocket::WebSocketLimits;
