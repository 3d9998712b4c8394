//! Resource types of SAM, the Serverless Application Model.

use std::borrow::Cow;

use indexmap::IndexMap;
use serde::Serialize;

use super::{lambda, tags::TagMap};
use crate::{Metadata, ResourceType, StringValue};

/// A function that the SAM CLI builds and uploads. Made from a [`lambda::Function`]. Its role, log group,
/// routes and event sources are separate resources in the template, so SAM adds none.
/// <https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-function.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Function {
    pub(super) description: Cow<'static, str>,
    pub(super) architectures: [lambda::Architecture; 1],
    pub(super) runtime: lambda::Runtime,
    pub(super) handler: Cow<'static, str>,
    pub(super) code_uri: Cow<'static, str>,
    pub(super) memory_size: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ephemeral_storage: Option<lambda::EphemeralStorage>,
    pub(super) timeout: u32,
    pub(super) role: StringValue,
    pub(super) environment: lambda::Variables,
    pub(super) logging_config: lambda::LoggingConfig,
    pub(super) tracing: lambda::Tracing,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reserved_concurrent_executions: Option<u32>,
    pub(super) tags: TagMap,
}

impl ResourceType for Function {
    const TYPE_NAME: &'static str = "AWS::Serverless::Function";
}

/// The metadata by which the SAM CLI builds a function with cargo-lambda from a binary of a workspace.
/// <https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/building-rust.html>
pub fn build_metadata(binary: &str) -> IndexMap<Cow<'static, str>, Metadata> {
    let method = "rust-cargolambda".to_owned();
    IndexMap::from([
        ("BuildMethod".into(), Metadata::StringValue(method)),
        (
            "BuildProperties".into(),
            Metadata::Map(IndexMap::from([("Binary".into(), binary.to_owned())])),
        ),
    ])
}
