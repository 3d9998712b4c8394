//! Assertions about a template, for the tests of a stack.
//!
//! [`TemplateAssertions`] checks the resources and outputs of a template as CloudFormation reads it: intrinsic
//! functions have their long form (`{"Ref": "OrdersQueue"}`). Expected values are [`serde_json::json!`] values.
//! Objects match if they contain the expected fields; everything else matches if it is equal. The
//! [`matchers`] stand for values in them:
//!
//! | matcher | matches |
//! | --- | --- |
//! | [`any`] | any value that is present |
//! | [`absent`] | a field that the object does not have |
//! | [`exactly`] | an equal value: an object has no other fields |
//! | [`array_with`] | an array that contains these elements, in this order, with others between them |
//! | [`text_with`] | a text that contains this text |
//! | [`not`] | a value that does not match |
//!
//! ```
//! use cloudformation::{
//!     Attributes, ConstructPath, Template,
//!     assertions::{TemplateAssertions, absent, text_with},
//!     resources::{Tags, sqs::Queue},
//! };
//! use serde_json::json;
//!
//! let mut template = Template::new("A queue");
//! let queue = Queue {
//!     queue_name: Some("orders".into()),
//!     visibility_timeout: Some(60),
//!     message_retention_period: 86_400,
//!     redrive_policy: None,
//!     sqs_managed_sse_enabled: true,
//!     tags: Tags::new([("Team", "orders")]).list(),
//! };
//! template.add(&ConstructPath::root("orders").child("Queue"), queue, Attributes::default())?;
//!
//! let template = TemplateAssertions::of(&template)?;
//! template.resource_count_is("AWS::SQS::Queue", 1);
//! template.has_resource_properties(
//!     "AWS::SQS::Queue",
//!     json!({
//!         "QueueName": text_with("order"),
//!         "VisibilityTimeout": 60,
//!         "KmsMasterKeyId": absent(),
//!     }),
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The assertions panic, at the line of the test, with the closest resource and the first difference.

pub mod matchers;
mod matching;
mod snapshot;
mod template;

pub use matchers::{absent, any, array_with, exactly, not, text_with};
pub use template::TemplateAssertions;
