#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

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
mod log_events;
mod logs;
mod options;
mod other_services;
mod recorder;
mod s3;
mod s3_objects;
#[cfg(feature = "aws-sdk")]
mod sdk;
mod secrets;
mod server;
mod services;
mod site;
mod sqs;
mod stack;
mod storage;
mod sync;
mod template;
mod urls;
mod websocket;

pub use dynamodb::DynamoDbError;
pub use error::StartError;
pub use faults::{Fault, Faults, Post, Times};
pub use in_process::InProcess;
pub use logs::{LogLine, ShowLogs};
pub use options::{OptionNames, Options};
pub use recorder::{Call, Calls};
pub use s3::BucketError;
#[cfg(feature = "aws-sdk")]
pub use sdk::{sdk_http_client, sdk_http_connector};
pub use secrets::LocalSecrets;
pub use site::Site;
pub use sqs::QueueDepth;
pub use stack::LocalStack;
pub use template::TemplateError;
pub use urls::Urls;
pub use websocket::WebSocketLimits;
