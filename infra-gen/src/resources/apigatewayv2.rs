//! API Gateway: WebSocket and HTTP APIs.

use indexmap::IndexMap;
use serde::Serialize;

use super::TagMap;
use crate::template::{Handle, StringValue};

/// An API.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-apigatewayv2-api.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Api {
    /// The API's name, for people.
    pub name: StringValue,
    /// What the API is for.
    pub description: &'static str,
    /// What kind of API it is.
    #[serde(flatten)]
    pub protocol: Protocol,
    /// The API's tags.
    pub tags: TagMap,
}

/// What kind of API an API is, with what only that kind has.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "ProtocolType", rename_all_fields = "PascalCase")]
pub enum Protocol {
    /// Clients keep a connection.
    #[serde(rename = "WEBSOCKET")]
    WebSocket {
        /// Where a message's route key is found.
        route_selection_expression: &'static str,
    },
    /// Clients ask and are answered.
    #[serde(rename = "HTTP")]
    Http {
        /// What browsers are told about other origins.
        cors_configuration: Cors,
    },
}

/// What browsers are told about other origins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Cors {
    /// Origins whose pages may call.
    pub allow_origins: Vec<String>,
    /// Methods that they may use.
    pub allow_methods: Vec<&'static str>,
    /// Headers that they may send.
    pub allow_headers: Vec<&'static str>,
    /// Headers of answers that they may read.
    pub expose_headers: Vec<&'static str>,
    /// Seconds that a browser may remember this for.
    pub max_age: u32,
}

impl Handle<Api> {
    /// The API's id, `a1b2c3d4e5`.
    pub fn id(&self) -> StringValue {
        self.reference()
    }
}

/// A stage: where clients reach an API.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-apigatewayv2-stage.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Stage {
    /// The API.
    pub api_id: StringValue,
    /// The stage's name, part of the address.
    pub stage_name: &'static str,
    /// Whether changes of the API reach clients without a deployment.
    pub auto_deploy: bool,
    /// Where and how requests are logged.
    pub access_log_settings: AccessLogSettings,
    /// Limits and logs of all routes that have none of their own.
    pub default_route_settings: RouteSettings,
    /// Limits and logs of single routes, by their keys. They replace the default ones, so each is
    /// complete; and the routes have to be there before the stage.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub route_settings: IndexMap<String, RouteSettings>,
    /// The stage's tags.
    pub tags: TagMap,
}

/// Where and how requests are logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AccessLogSettings {
    /// The ARN of a log group, without `:*`.
    pub destination_arn: StringValue,
    /// What is logged of a request.
    pub format: String,
}

/// Limits and logs of a stage's routes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RouteSettings {
    /// Whether there are metrics by route.
    pub detailed_metrics_enabled: bool,
    /// Requests a second, in the long run.
    pub throttling_rate_limit: u32,
    /// Requests at once.
    pub throttling_burst_limit: u32,
    /// Logs of API Gateway itself. WebSocket APIs only.
    #[serde(flatten)]
    pub execution_logs: Option<ExecutionLogs>,
}

/// Logs of API Gateway itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ExecutionLogs {
    /// From where on.
    pub logging_level: LoggingLevel,
    /// Whether what clients send is logged.
    pub data_trace_enabled: bool,
}

/// What API Gateway logs of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum LoggingLevel {
    /// What went wrong.
    Error,
}

impl Handle<Stage> {
    /// The stage's name.
    pub fn name(&self) -> StringValue {
        self.reference()
    }
}

/// A route of an API.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-apigatewayv2-route.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Route {
    /// The API.
    pub api_id: StringValue,
    /// What selects the route.
    pub route_key: String,
    /// The route's name in generated clients.
    pub operation_name: String,
    /// Who may use it. Written even when anyone may, or an update could not take an authorizer
    /// away.
    #[serde(flatten)]
    pub authorization: Authorization,
    /// `integrations/` and the id of the integration.
    pub target: StringValue,
}

/// Who may use a route.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "AuthorizationType", rename_all_fields = "PascalCase")]
pub enum Authorization {
    /// Anyone.
    #[serde(rename = "NONE")]
    None,
    /// Whom a function lets in.
    #[serde(rename = "CUSTOM")]
    Custom {
        /// What asks the function.
        authorizer_id: StringValue,
    },
    /// Bearers of a token. HTTP APIs only.
    #[serde(rename = "JWT")]
    Jwt {
        /// What checks the token.
        authorizer_id: StringValue,
    },
}

/// What runs for a route.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-apigatewayv2-integration.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Integration {
    /// The API.
    pub api_id: StringValue,
    /// How requests are passed on.
    pub integration_type: IntegrationType,
    /// The function's address for API Gateway.
    pub integration_uri: StringValue,
    /// The shape of the function's event. HTTP APIs only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload_format_version: Option<PayloadFormat>,
    /// How long API Gateway waits for an answer.
    pub timeout_in_millis: u32,
}

/// How requests are passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum IntegrationType {
    /// To a function, as events.
    #[serde(rename = "AWS_PROXY")]
    AwsProxy,
}

/// The shape of the events that an HTTP API passes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum PayloadFormat {
    /// The newer one.
    #[serde(rename = "2.0")]
    V2,
}

impl Handle<Integration> {
    /// The integration's id.
    pub fn id(&self) -> StringValue {
        self.reference()
    }
}

/// What decides who may use a route.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-apigatewayv2-authorizer.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Authorizer {
    /// The API.
    pub api_id: StringValue,
    /// The authorizer's name.
    pub name: &'static str,
    /// How it decides.
    #[serde(flatten)]
    pub decision: Decision,
}

/// How an authorizer decides.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "AuthorizerType", rename_all_fields = "PascalCase")]
pub enum Decision {
    /// It looks at a token. HTTP APIs only.
    #[serde(rename = "JWT")]
    Jwt {
        /// Where in a request the token is.
        identity_source: [&'static str; 1],
        /// Which tokens are good.
        jwt_configuration: JwtConfiguration,
    },
    /// It asks a function. The only way of WebSocket APIs, which remember no answers.
    #[serde(rename = "REQUEST")]
    Request {
        /// What a request must have to be worth asking.
        identity_source: Vec<String>,
        /// The function's address for API Gateway.
        authorizer_uri: StringValue,
    },
}

/// Which tokens are good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct JwtConfiguration {
    /// The address of the issuer.
    pub issuer: String,
    /// The audiences, one of which the token must be for.
    pub audience: Vec<String>,
}

impl Handle<Authorizer> {
    /// The authorizer's id.
    pub fn id(&self) -> StringValue {
        self.reference()
    }
}

/// A domain name of an API's own.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-apigatewayv2-domainname.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DomainName {
    /// The name.
    pub domain_name: String,
    /// How it is served.
    pub domain_name_configurations: [DomainNameConfiguration; 1],
    /// The domain name's tags.
    pub tags: TagMap,
}

/// How a domain name is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DomainNameConfiguration {
    /// The ARN of the certificate.
    pub certificate_arn: StringValue,
    /// From where.
    pub endpoint_type: EndpointType,
    /// The oldest TLS that clients may use.
    pub security_policy: SecurityPolicy,
}

/// From where a domain name is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum EndpointType {
    /// From the stack's region.
    Regional,
}

/// The oldest TLS that clients may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum SecurityPolicy {
    /// TLS 1.2.
    #[serde(rename = "TLS_1_2")]
    Tls12,
}

impl Handle<DomainName> {
    /// The name.
    pub fn name(&self) -> StringValue {
        self.reference()
    }

    /// What the name's DNS record must point to.
    pub fn regional_domain_name(&self) -> StringValue {
        self.attribute("RegionalDomainName")
    }
}

/// Which stage a domain name leads to.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-apigatewayv2-apimapping.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ApiMapping {
    /// The API.
    pub api_id: StringValue,
    /// The domain name.
    pub domain_name: StringValue,
    /// The stage.
    pub stage: StringValue,
}
