//! Permissions to invoke a function, and event source mappings.

use std::borrow::Cow;

use serde::Serialize;

use crate::{Pseudo, ResourceType, StringValue, resources::tags::TagList, sub};

/// The URI by which API Gateway invokes a function.
pub fn invocation_uri(function_arn: StringValue) -> StringValue {
    sub![
        "arn:",
        Pseudo::Partition,
        ":apigateway:",
        Pseudo::Region,
        ":lambda:path/2015-03-31/functions/",
        function_arn,
        "/invocations",
    ]
}

/// A permission for a service to invoke a function.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-permission.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Permission {
    /// The action that is allowed.
    pub action: PermittedAction,
    /// The function's name or ARN.
    pub function_name: StringValue,
    /// The service, `apigateway.amazonaws.com`.
    pub principal: Cow<'static, str>,
    /// The ARN of the service's resource on whose behalf it invokes the function.
    pub source_arn: StringValue,
}

impl ResourceType for Permission {
    const TYPE_NAME: &'static str = "AWS::Lambda::Permission";
}

/// An action that a permission allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum PermittedAction {
    /// Invocation of the function.
    #[serde(rename = "lambda:InvokeFunction")]
    InvokeFunction,
}

/// An event source mapping: Lambda receives messages from a queue and invokes a function with them.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-eventsourcemapping.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct EventSourceMapping {
    /// The function's name or ARN.
    pub function_name: StringValue,
    /// The ARN of the queue.
    pub event_source_arn: StringValue,
    /// Maximum number of messages per invocation.
    pub batch_size: u32,
    /// What the function's response can contain.
    pub function_response_types: [FunctionResponseType; 1],
    /// The limit of concurrent invocations.
    pub scaling_config: ScalingConfig,
    /// The mapping's tags.
    pub tags: TagList,
}

impl ResourceType for EventSourceMapping {
    const TYPE_NAME: &'static str = "AWS::Lambda::EventSourceMapping";
}

/// The limit of concurrent invocations of an event source mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ScalingConfig {
    /// Maximum number of concurrent invocations, 2 to 1,000.
    pub maximum_concurrency: u32,
}

/// What the response of a function with an event source mapping can contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum FunctionResponseType {
    /// The messages of the batch that failed, which SQS delivers again.
    ReportBatchItemFailures,
}
