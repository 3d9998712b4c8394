//! Log groups.

use serde::Serialize;

use super::TagList;
use crate::{
    environments::RetentionDays,
    template::{Handle, Pseudo, StringValue, sub},
};

/// A log group. CloudFormation chooses its name: one that was kept from an earlier stack is not
/// in the way of the next.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-logs-loggroup.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct LogGroup {
    /// How long it keeps what is logged.
    pub retention_in_days: RetentionDays,
    /// The log group's tags.
    pub tags: TagList,
}

impl Handle<LogGroup> {
    /// The log group's name.
    pub fn name(&self) -> StringValue {
        self.reference()
    }

    /// The log group's ARN, which API Gateway wants without the `:*` that its `Arn` ends with.
    pub fn arn(&self) -> StringValue {
        sub![
            "arn:",
            Pseudo::Partition,
            ":logs:",
            Pseudo::Region,
            ":",
            Pseudo::AccountId,
            ":log-group:",
            self.name(),
        ]
    }

    /// The ARN of everything in the log group.
    pub fn streams_arn(&self) -> StringValue {
        self.attribute("Arn")
    }
}
