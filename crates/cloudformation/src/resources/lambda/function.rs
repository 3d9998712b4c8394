//! Lambda functions.

use std::borrow::Cow;

use serde::Serialize;

use super::settings::{Architecture, LoggingConfig, Runtime, TracingConfig, Variables};
use crate::{
    Handle, ParameterName, ResourceType, SamResource, StringValue,
    resources::{
        serverless,
        tags::{TagList, TagMap},
    },
};

/// A function whose package is a ZIP archive on S3. In a SAM template it is a
/// [`serverless::Function`], which the SAM CLI builds and uploads.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-function.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Function {
    /// The purpose, up to 256 characters.
    pub description: Cow<'static, str>,
    /// The processor.
    pub architectures: [Architecture; 1],
    /// The runtime.
    pub runtime: Runtime,
    /// The entry point. The `provided` runtimes start the executable `bootstrap`.
    pub handler: Cow<'static, str>,
    /// The location of the package.
    pub code: Code,
    /// Memory in MiB, 128 to 10,240. Processor time is proportional to it.
    pub memory_size: u32,
    /// The size of the folder `/tmp`. None: 512 MiB, which Lambda does not charge for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ephemeral_storage: Option<EphemeralStorage>,
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

/// The size of a function's folder `/tmp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct EphemeralStorage {
    /// MiB, 512 to 10,240.
    pub size: u32,
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
    pub sam_code_uri: Cow<'static, str>,
}

impl Code {
    /// The location of a function's package by convention: the parameter `ArtifactBucket` for all
    /// functions, a parameter like `ResizeCodeKey` for the function `resize`, and the template's folder for
    /// SAM. The parameters are to be added to the template.
    pub fn of(function: &str) -> Self {
        Self {
            s3_bucket: ParameterName::new("artifact_bucket"),
            s3_key: ParameterName::new(&format!("{function}_code_key")),
            sam_code_uri: ".".into(),
        }
    }

    /// The same location, with another path for the SAM CLI.
    #[must_use]
    pub fn with_sam_code_uri(self, sam_code_uri: impl Into<Cow<'static, str>>) -> Self {
        Self {
            sam_code_uri: sam_code_uri.into(),
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

impl From<&Function> for serverless::Function {
    fn from(function: &Function) -> Self {
        let Function {
            description,
            architectures,
            runtime,
            handler,
            code,
            memory_size,
            ephemeral_storage,
            timeout,
            role,
            environment,
            logging_config,
            tracing_config,
            reserved_concurrent_executions,
            tags,
        } = function.clone();
        Self {
            description,
            architectures,
            runtime,
            handler,
            code_uri: code.sam_code_uri,
            memory_size,
            ephemeral_storage,
            timeout,
            role,
            environment,
            logging_config,
            tracing: tracing_config.mode,
            reserved_concurrent_executions,
            tags: TagMap::from(&tags),
        }
    }
}
