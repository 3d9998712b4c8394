//! Lambda functions and what invokes them.

use indexmap::IndexMap;
use serde::Serialize;

use super::TagList;
use crate::{
    environments::{Architecture, LogLevel},
    template::{Handle, ParameterName, Pseudo, StringValue, sub},
};

/// A function.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-function.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Function {
    /// What the function is for.
    pub description: &'static str,
    /// What it runs on.
    pub architectures: [Architecture; 1],
    /// What is around it.
    pub runtime: Runtime,
    /// What the runtime starts.
    pub handler: &'static str,
    /// Where its package is.
    pub code: Code,
    /// Memory in MiB.
    pub memory_size: u32,
    /// Longest invocation, in seconds.
    pub timeout: u32,
    /// The ARN of the role that it has.
    pub role: StringValue,
    /// What it finds in its environment.
    pub environment: Variables,
    /// How it logs.
    pub logging_config: LoggingConfig,
    /// Whether it is traced.
    pub tracing_config: TracingConfig,
    /// Invocations at a time that are set aside for it, and that it can't go beyond.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reserved_concurrent_executions: Option<u32>,
    /// The function's tags.
    pub tags: TagList,
}

/// What is around a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Runtime {
    /// Amazon Linux 2023 and nothing else.
    #[serde(rename = "provided.al2023")]
    ProvidedAl2023,
}

/// Where a function's package is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// The parameter that names the bucket.
    pub s3_bucket: ParameterName,
    /// The parameter that names the object.
    pub s3_key: ParameterName,
}

impl Code {
    /// The parameters for a function of the contract.
    pub fn of(function: &str) -> Self {
        Self {
            s3_bucket: ParameterName::new("artifact_bucket"),
            s3_key: ParameterName::new(&format!("{function}_code_key")),
        }
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([
            ("S3Bucket", StringValue::from(&self.s3_bucket)),
            ("S3Key", StringValue::from(&self.s3_key)),
        ])
    }
}

/// What a function finds in its environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Variables {
    /// Values by name.
    pub variables: IndexMap<&'static str, StringValue>,
}

/// How a function logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct LoggingConfig {
    /// The name of the log group.
    pub log_group: StringValue,
    /// How records are written.
    pub log_format: LogFormat,
    /// Which of its records are kept.
    pub application_log_level: LogLevel,
}

/// How records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum LogFormat {
    /// As JSON.
    #[serde(rename = "JSON")]
    Json,
}

/// Whether a function is traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TracingConfig {
    /// Whether it is.
    pub mode: Tracing,
}

/// Whether a function is traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Tracing {
    /// It is, by X-Ray's sampling.
    Active,
}

impl Handle<Function> {
    /// The function's name.
    pub fn name(&self) -> StringValue {
        self.reference()
    }

    /// The function's ARN.
    pub fn arn(&self) -> StringValue {
        self.attribute("Arn")
    }
}

/// A function's address for API Gateway.
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

/// Who may invoke a function.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-permission.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Permission {
    /// What may be done.
    pub action: PermittedAction,
    /// The function.
    pub function_name: StringValue,
    /// Which service may.
    pub principal: &'static str,
    /// For which of its resources.
    pub source_arn: StringValue,
}

/// What may be done with a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum PermittedAction {
    /// Invoke it.
    #[serde(rename = "lambda:InvokeFunction")]
    InvokeFunction,
}

/// What takes messages from a queue to a function.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-eventsourcemapping.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct EventSourceMapping {
    /// The function.
    pub function_name: StringValue,
    /// The ARN of the queue.
    pub event_source_arn: StringValue,
    /// Messages of one invocation, at most.
    pub batch_size: u32,
    /// What the function's answer can say.
    pub function_response_types: [FunctionResponseType; 1],
    /// How many invocations there are at a time.
    pub scaling_config: ScalingConfig,
    /// The mapping's tags.
    pub tags: TagList,
}

/// How many invocations a queue makes at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ScalingConfig {
    /// At most, 2 to 1,000.
    pub maximum_concurrency: u32,
}

/// What a function's answer can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum FunctionResponseType {
    /// Which messages of the batch failed.
    ReportBatchItemFailures,
}
