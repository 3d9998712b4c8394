//! Lambda functions, permissions to invoke them, and event source mappings.

use std::{fmt, str::FromStr};

use indexmap::IndexMap;
use serde::Serialize;

use super::{TagList, serverless};
use crate::{Handle, ParameterName, Pseudo, ResourceType, SamResource, StringValue, sub};

/// A function whose package is a ZIP archive on S3. In a SAM template it is a
/// [`serverless::Function`], which the SAM CLI builds and uploads.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-function.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Function {
    /// The purpose, up to 256 characters.
    pub description: &'static str,
    /// The processor.
    pub architectures: [Architecture; 1],
    /// The runtime.
    pub runtime: Runtime,
    /// The entry point. The `provided` runtimes start the executable `bootstrap`.
    pub handler: &'static str,
    /// The location of the package.
    pub code: Code,
    /// Memory in MiB, 128 to 10,240. Processor time is proportional to it.
    pub memory_size: u32,
    /// Seconds after which Lambda ends an invocation, 1 to 900.
    pub timeout: u32,
    /// The ARN of the execution role.
    pub role: StringValue,
    /// The environment variables.
    pub environment: Variables,
    /// The log group, format and level.
    pub logging_config: LoggingConfig,
    /// Tracing with X-Ray.
    pub tracing_config: TracingConfig,
    /// Concurrent invocations that are reserved for the function and that it cannot exceed. None: the
    /// function shares the account's unreserved concurrency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reserved_concurrent_executions: Option<u32>,
    /// The function's tags.
    pub tags: TagList,
}

/// A runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Runtime {
    /// An executable on Amazon Linux 2023.
    #[serde(rename = "provided.al2023")]
    ProvidedAl2023,
}

/// The processor that a function runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Architecture {
    /// 64-bit ARM, AWS Graviton.
    #[serde(rename = "arm64")]
    Arm64,
    /// 64-bit x86, Intel and AMD.
    #[serde(rename = "x86_64")]
    X86_64,
}

impl Architecture {
    /// Every architecture.
    pub const ALL: [Self; 2] = [Self::Arm64, Self::X86_64];

    /// The architecture's name in a template: `arm64` or `x86_64`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86_64",
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Lambda does not have this architecture.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("Lambda does not run on '{0}'; use arm64 or x86_64")]
pub struct UnknownArchitecture(pub String);

impl FromStr for Architecture {
    type Err = UnknownArchitecture;

    fn from_str(name: &str) -> Result<Self, UnknownArchitecture> {
        Self::ALL
            .into_iter()
            .find(|architecture| architecture.name() == name)
            .ok_or_else(|| UnknownArchitecture(name.to_owned()))
    }
}

/// The location of a function's package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// The parameter for the name of the S3 bucket.
    pub s3_bucket: ParameterName,
    /// The parameter for the key of the package in the bucket.
    pub s3_key: ParameterName,
    /// `CodeUri` in the SAM template: where the SAM CLI builds the function, as a path from the template's
    /// folder.
    pub sam_code_uri: &'static str,
}

impl Code {
    /// The location of a function's package by convention: the parameter `ArtifactBucket` for all
    /// functions, a parameter like `ResizeCodeKey` for the function `resize`, and the template's folder for
    /// SAM. The parameters are to be added to the template.
    pub fn of(function: &str) -> Self {
        Self {
            s3_bucket: ParameterName::new("artifact_bucket"),
            s3_key: ParameterName::new(&format!("{function}_code_key")),
            sam_code_uri: ".",
        }
    }

    /// The same location, with another path for the SAM CLI.
    #[must_use]
    pub fn with_sam_code_uri(self, sam_code_uri: &'static str) -> Self {
        Self {
            sam_code_uri,
            ..self
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

/// The environment variables of a function, 4 KiB together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Variables {
    /// Values by name.
    pub variables: IndexMap<&'static str, StringValue>,
}

/// The log group, format and level of a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct LoggingConfig {
    /// The name of the log group.
    pub log_group: StringValue,
    /// The format of log records.
    pub log_format: LogFormat,
    /// The lowest level of application log records that Lambda sends to CloudWatch.
    pub application_log_level: LogLevel,
}

/// The format of log records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum LogFormat {
    /// One JSON object per record.
    #[serde(rename = "JSON")]
    Json,
}

/// The level of an application log record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum LogLevel {
    /// Details for debugging.
    Debug,
    /// Normal operation.
    Info,
    /// A problem that the function has handled.
    Warn,
    /// A failure.
    Error,
}

impl fmt::Display for LogLevel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        })
    }
}

/// Tracing of a function with X-Ray.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TracingConfig {
    /// Which invocations are traced.
    pub mode: Tracing,
}

/// Which invocations are traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Tracing {
    /// Those that X-Ray samples.
    Active,
}

impl ResourceType for Function {
    const TYPE_NAME: &'static str = "AWS::Lambda::Function";

    fn sam(&self) -> Option<SamResource> {
        Some(SamResource {
            properties: serverless::Function::from(self).into(),
            unused_parameters: vec![self.code.s3_bucket.clone(), self.code.s3_key.clone()],
        })
    }
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
    pub principal: &'static str,
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
