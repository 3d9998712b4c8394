//! SQS queues.

use serde::Serialize;

use super::TagList;
use crate::template::{Handle, StringValue};

/// A queue.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sqs-queue.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Queue {
    /// The queue's name.
    pub queue_name: StringValue,
    /// Seconds that a received message is hidden from other receivers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visibility_timeout: Option<u32>,
    /// Seconds that a message is kept for.
    pub message_retention_period: u32,
    /// Where messages go that are received too often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redrive_policy: Option<RedrivePolicy>,
    /// Whether messages are encrypted with keys of SQS.
    pub sqs_managed_sse_enabled: bool,
    /// The queue's tags.
    pub tags: TagList,
}

/// Where messages go that are received too often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RedrivePolicy {
    /// The ARN of the queue that they go to.
    pub dead_letter_target_arn: StringValue,
    /// After how many receives.
    pub max_receive_count: u32,
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
