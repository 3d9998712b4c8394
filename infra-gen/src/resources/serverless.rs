//! The one resource type of SAM that is used.

use indexmap::IndexMap;
use serde::Serialize;

use super::{TagMap, lambda};
use crate::{environments::Architecture, template::StringValue};

/// A function that the SAM CLI builds and uploads. Everything around it (role, log group, routes,
/// event sources) is plain CloudFormation, so nothing is made that is not in the template.
/// <https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-function.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Function {
    description: &'static str,
    architectures: [Architecture; 1],
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

/// The workspace, as seen from the folder that templates are written to. Cargo puts what it
/// builds under the workspace's root, and there `sam build` looks for it.
const WORKSPACE: &str = "..";

/// SAM's metadata for a function built by cargo-lambda: which binary of the workspace it is.
/// <https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/building-rust.html>
pub fn build_metadata(binary: &str) -> IndexMap<&'static str, crate::template::Metadata> {
    use crate::template::Metadata::{Map, StringValue};
    IndexMap::from([
        ("BuildMethod", StringValue("rust-cargolambda".to_owned())),
        (
            "BuildProperties",
            Map(IndexMap::from([("Binary", binary.to_owned())])),
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
            code: _,
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
            code_uri: WORKSPACE,
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
