//! SQS queues.

use serde::Serialize;

use super::TagList;
use crate::{Handle, ResourceType, StringValue};

/// A queue. CloudFormation gives it the name `queue_name`, which is unique in an account and region.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sqs-queue.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Queue {
    /// The queue's name.
    pub queue_name: StringValue,
    /// Seconds that a received message is hidden from other receivers, at most 43,200. None: 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visibility_timeout: Option<u32>,
    /// Seconds until SQS deletes a message, 60 to 1,209,600.
    pub message_retention_period: u32,
    /// The dead-letter queue. None: messages are received until they expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redrive_policy: Option<RedrivePolicy>,
    /// Whether SQS encrypts messages with its own keys.
    pub sqs_managed_sse_enabled: bool,
    /// The queue's tags.
    pub tags: TagList,
}

/// The dead-letter queue of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RedrivePolicy {
    /// The ARN of the dead-letter queue.
    pub dead_letter_target_arn: StringValue,
    /// Receives after which SQS moves a message there, 1 to 1,000.
    pub max_receive_count: u32,
}

impl ResourceType for Queue {
    const TYPE_NAME: &'static str = "AWS::SQS::Queue";
    const HOLDS_DATA: bool = true;
}

impl Handle<Queue> {
    /// The queue's URL.
    pub fn url(&self) -> StringValue {
        self.reference()
    }

    /// The queue's ARN.
    pub fn arn(&self) -> StringValue {
        self.attribute("Arn")
    }

    /// The queue's name.
    pub fn name(&self) -> StringValue {
        self.attribute("QueueName")
    }
}
