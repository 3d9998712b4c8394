//! Resource types of AWS that this crate has.
//!
//! Each type has a subset of its CloudFormation properties and links to its reference page. Properties
//! that are not an `Option` are always written. A resource that needs other properties is a
//! [`ResourceType`](crate::ResourceType) of your own crate, or an [`Untyped`](crate::Untyped) resource.

pub mod apigatewayv2;
pub mod cloudfront;
pub mod cloudwatch;
pub mod dynamodb;
pub mod iam;
pub mod lambda;
pub mod logs;
pub mod s3;
pub mod serverless;
pub mod sqs;
mod tags;

pub use tags::{TagList, TagMap, Tags};
