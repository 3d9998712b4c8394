//! Resource types of SAM, the Serverless Application Model.

use indexmap::IndexMap;
use serde::Serialize;

use super::{TagMap, lambda};
use crate::{Metadata, ResourceType, StringValue};

/// A function that the SAM CLI builds and uploads. Made from a [`lambda::Function`]. Its role, log group,
/// routes and event sources are separate resources in the template, so SAM adds none.
/// <https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-function.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Function {
    description: &'static str,
    architectures: [lambda::Architecture; 1],
    runtime: lambda::Runtime,
    handler: &'static str,
    code_uri: &'static str,
    memory_size: u32,
    timeout: u32,
    role: StringValue,
    environment: lambda::Variables,
    logging_config: lambda::LoggingConfig,
    tracing: lambda::Tracing,
    #[serde(skip_serializing_if = "Option::is_none")]
    reserved_concurrent_executions: Option<u32>,
    tags: TagMap,
}

impl ResourceType for Function {
    const TYPE_NAME: &'static str = "AWS::Serverless::Function";
}

/// The metadata by which the SAM CLI builds a function with cargo-lambda from a binary of a workspace.
/// <https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/building-rust.html>
pub fn build_metadata(binary: &str) -> IndexMap<&'static str, Metadata> {
    let method = "rust-cargolambda".to_owned();
    IndexMap::from([
        ("BuildMethod", Metadata::StringValue(method)),
        (
            "BuildProperties",
            Metadata::Map(IndexMap::from([("Binary", binary.to_owned())])),
        ),
    ])
}

impl From<&lambda::Function> for Function {
    fn from(function: &lambda::Function) -> Self {
        let lambda::Function {
            description,
            architectures,
            runtime,
            handler,
            code,
            memory_size,
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
