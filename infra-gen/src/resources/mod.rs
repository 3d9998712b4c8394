//! One type per AWS resource type that the stack uses.
//!
//! Only the properties that the stack sets are here, and those that CloudFormation requires are
//! no `Option`s. Each type links to its reference page.

pub mod apigatewayv2;
pub mod cloudwatch;
pub mod dynamodb;
pub mod iam;
pub mod lambda;
pub mod logs;
pub mod s3;
pub mod serverless;
pub mod sqs;
mod tags;

pub use tags::{TagList, TagMap, Tags};

use serde::Serialize;

/// A resource type.
pub trait ResourceType: Into<Properties> + 'static {
    /// The type's name, `AWS::SQS::Queue`.
    const TYPE_NAME: &'static str;

    /// The properties, if they are of this type.
    fn from_properties(properties: &Properties) -> Option<&Self>;

    /// The properties to be changed, if they are of this type.
    fn from_properties_mut(properties: &mut Properties) -> Option<&mut Self>;
}

macro_rules! resource_types {
    ($($variant:ident: $module:ident::$name:ident = $type_name:literal,)*) => {
        /// A resource's properties, whatever its type.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(untagged)]
        #[expect(missing_docs, reason = "each variant holds the resource type that it is named after")]
        pub enum Properties {
            $($variant(Box<$module::$name>),)*
        }

        impl Properties {
            /// Every type's name.
            pub const TYPE_NAMES: &[&'static str] = &[$($type_name,)*];

            /// The type's name, `AWS::SQS::Queue`.
            pub const fn type_name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $type_name,)*
                }
            }
        }

        $(
            impl ResourceType for $module::$name {
                const TYPE_NAME: &'static str = $type_name;

                fn from_properties(properties: &Properties) -> Option<&Self> {
                    match properties {
                        Properties::$variant(properties) => Some(properties),
                        _ => None,
                    }
                }

                fn from_properties_mut(properties: &mut Properties) -> Option<&mut Self> {
                    match properties {
                        Properties::$variant(properties) => Some(properties),
                        _ => None,
                    }
                }
            }

            impl From<$module::$name> for Properties {
                fn from(properties: $module::$name) -> Self {
                    Self::$variant(Box::new(properties))
                }
            }
        )*
    };
}

resource_types! {
    Alarm: cloudwatch::Alarm = "AWS::CloudWatch::Alarm",
    Api: apigatewayv2::Api = "AWS::ApiGatewayV2::Api",
    ApiMapping: apigatewayv2::ApiMapping = "AWS::ApiGatewayV2::ApiMapping",
    Authorizer: apigatewayv2::Authorizer = "AWS::ApiGatewayV2::Authorizer",
    Bucket: s3::Bucket = "AWS::S3::Bucket",
    BucketPolicy: s3::BucketPolicy = "AWS::S3::BucketPolicy",
    Dashboard: cloudwatch::Dashboard = "AWS::CloudWatch::Dashboard",
    DomainName: apigatewayv2::DomainName = "AWS::ApiGatewayV2::DomainName",
    EventSourceMapping: lambda::EventSourceMapping = "AWS::Lambda::EventSourceMapping",
    Function: lambda::Function = "AWS::Lambda::Function",
    Integration: apigatewayv2::Integration = "AWS::ApiGatewayV2::Integration",
    LogGroup: logs::LogGroup = "AWS::Logs::LogGroup",
    Permission: lambda::Permission = "AWS::Lambda::Permission",
    Queue: sqs::Queue = "AWS::SQS::Queue",
    Role: iam::Role = "AWS::IAM::Role",
    Route: apigatewayv2::Route = "AWS::ApiGatewayV2::Route",
    ServerlessFunction: serverless::Function = "AWS::Serverless::Function",
    Stage: apigatewayv2::Stage = "AWS::ApiGatewayV2::Stage",
    Table: dynamodb::Table = "AWS::DynamoDB::Table",
}
