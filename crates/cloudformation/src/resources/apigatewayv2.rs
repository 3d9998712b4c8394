//! API Gateway: WebSocket APIs and HTTP APIs.

use std::borrow::Cow;

use indexmap::IndexMap;
use serde::Serialize;

use super::TagMap;
use crate::{Handle, ResourceType, StringValue};

/// A WebSocket API or an HTTP API.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-apigatewayv2-api.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Api {
    /// The API's name in the console. Several APIs can have the same.
    pub name: StringValue,
    /// The purpose, up to 1,024 characters.
    pub description: Cow<'static, str>,
    /// WebSocket or HTTP, with the properties that only one of them has.
    #[serde(flatten)]
    pub protocol: Protocol,
    /// The API's tags.
    pub tags: TagMap,
}

/// The protocol of an API, with the properties that only it has.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "ProtocolType", rename_all_fields = "PascalCase")]
pub enum Protocol {
    /// Clients keep a connection open.
    #[serde(rename = "WEBSOCKET")]
    WebSocket {
        /// Where a message has its route key, `$request.body.action`.
        route_selection_expression: Cow<'static, str>,
    },
    /// Clients make requests.
    #[serde(rename = "HTTP")]
    Http {
        /// Cross-origin requests that browsers may make. None: browsers may make none.
        #[serde(skip_serializing_if = "Option::is_none")]
        cors_configuration: Option<Cors>,
    },
}

/// Cross-origin requests that browsers may make (CORS).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Cors {
    /// The origins that may make requests, `https://app.example.com`.
    pub allow_origins: Vec<StringValue>,
    /// The methods that they may use.
    pub allow_methods: Vec<Cow<'static, str>>,
    /// The headers that they may send.
    pub allow_headers: Vec<Cow<'static, str>>,
    /// The headers of responses that they may read.
    pub expose_headers: Vec<Cow<'static, str>>,
    /// Seconds that a browser may cache the response of a preflight request.
    pub max_age: u32,
}

impl ResourceType for Api {
    const TYPE_NAME: &'static str = "AWS::ApiGatewayV2::Api";
}

impl Handle<Api> {
    /// The API's id, `a1b2c3d4e5`.
    pub fn id(&self) -> StringValue {
        self.reference()
    }
}

/// A stage: an API at a URL.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-apigatewayv2-stage.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Stage {
    /// The API.
    pub api_id: StringValue,
    /// The stage's name, which is part of the URL. `$default` is not.
    pub stage_name: Cow<'static, str>,
    /// Whether API Gateway deploys each change of the API to the stage.
    pub auto_deploy: bool,
    /// Access logs. None: requests are not logged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_log_settings: Option<AccessLogSettings>,
    /// Throttling and logs of routes without an entry in `route_settings`.
    pub default_route_settings: RouteSettings,
    /// Throttling and logs by route key. An entry replaces all default settings. The stage must depend on
    /// the routes, which are created before it.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub route_settings: IndexMap<String, RouteSettings>,
    /// The stage's tags.
    pub tags: TagMap,
}

/// Access logs of a stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AccessLogSettings {
    /// The ARN of a log group, without `:*`.
    pub destination_arn: StringValue,
    /// The format of a log record, with `$context` variables.
    pub format: String,
}

/// Throttling and logs of routes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RouteSettings {
    /// Whether CloudWatch has metrics by route.
    pub detailed_metrics_enabled: bool,
    /// Requests per second, on average.
    pub throttling_rate_limit: u32,
    /// Requests at once, the size of the token bucket.
    pub throttling_burst_limit: u32,
    /// Execution logs of API Gateway. WebSocket APIs only.
    #[serde(flatten)]
    pub execution_logs: Option<ExecutionLogs>,
}

/// Execution logs of API Gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ExecutionLogs {
    /// The lowest level that is logged.
    pub logging_level: LoggingLevel,
    /// Whether the content of messages is logged.
    pub data_trace_enabled: bool,
}

/// A level of execution logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum LoggingLevel {
    /// Errors.
    Error,
}

impl ResourceType for Stage {
    const TYPE_NAME: &'static str = "AWS::ApiGatewayV2::Stage";
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
    /// The route key: `GET /orders/{id}`, or the key of a WebSocket message.
    pub route_key: String,
    /// The operation's name in generated clients.
    pub operation_name: String,
    /// Authorization of requests. Also written if there is none, because an update could not remove an
    /// authorizer otherwise.
    #[serde(flatten)]
    pub authorization: Authorization,
    /// `integrations/` and the id of the integration.
    pub target: StringValue,
}

impl ResourceType for Route {
    const TYPE_NAME: &'static str = "AWS::ApiGatewayV2::Route";
}

/// Authorization of the requests of a route.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "AuthorizationType", rename_all_fields = "PascalCase")]
pub enum Authorization {
    /// No authorization.
    #[serde(rename = "NONE")]
    None,
    /// A Lambda authorizer.
    #[serde(rename = "CUSTOM")]
    Custom {
        /// The id of the authorizer.
        authorizer_id: StringValue,
    },
    /// A JWT authorizer. HTTP APIs only.
    #[serde(rename = "JWT")]
    Jwt {
        /// The id of the authorizer.
        authorizer_id: StringValue,
    },
}

/// An integration: the backend of a route.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-apigatewayv2-integration.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Integration {
    /// The API.
    pub api_id: StringValue,
    /// How API Gateway passes requests on.
    pub integration_type: IntegrationType,
    /// The URI of the function ([`invocation_uri`](super::lambda::invocation_uri)).
    pub integration_uri: StringValue,
    /// The format of the function's event. HTTP APIs only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload_format_version: Option<PayloadFormat>,
    /// Milliseconds that API Gateway waits for a response, 50 to 30,000 (29,000 for WebSocket APIs).
    pub timeout_in_millis: u32,
}

/// How API Gateway passes requests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum IntegrationType {
    /// As events to a function.
    #[serde(rename = "AWS_PROXY")]
    AwsProxy,
}

/// The format of the events of an HTTP API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum PayloadFormat {
    /// Version 2.0, with one map of headers.
    #[serde(rename = "2.0")]
    V2,
}

impl ResourceType for Integration {
    const TYPE_NAME: &'static str = "AWS::ApiGatewayV2::Integration";
}

impl Handle<Integration> {
    /// The integration's id.
    pub fn id(&self) -> StringValue {
        self.reference()
    }
}

/// An authorizer, which routes can refer to.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-apigatewayv2-authorizer.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Authorizer {
    /// The API.
    pub api_id: StringValue,
    /// The authorizer's name, unique in its API.
    pub name: Cow<'static, str>,
    /// How requests are authorized.
    #[serde(flatten)]
    pub decision: Decision,
}

/// How an authorizer decides about a request.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "AuthorizerType", rename_all_fields = "PascalCase")]
pub enum Decision {
    /// By a JSON Web Token. HTTP APIs only.
    #[serde(rename = "JWT")]
    Jwt {
        /// Where a request has the token, `$request.header.Authorization`.
        identity_source: [Cow<'static, str>; 1],
        /// Which tokens are valid.
        jwt_configuration: JwtConfiguration,
    },
    /// By invoking a function. WebSocket APIs have only this kind, and cache no result.
    #[serde(rename = "REQUEST")]
    Request {
        /// What a request must have. API Gateway refuses a request without it, and does not invoke the
        /// function.
        identity_source: Vec<String>,
        /// The URI of the function ([`invocation_uri`](super::lambda::invocation_uri)).
        authorizer_uri: StringValue,
    },
}

/// Which tokens are valid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct JwtConfiguration {
    /// The URL of the issuer.
    pub issuer: String,
    /// The audiences, of which a token must have one.
    pub audience: Vec<String>,
}

impl ResourceType for Authorizer {
    const TYPE_NAME: &'static str = "AWS::ApiGatewayV2::Authorizer";
}

impl Handle<Authorizer> {
    /// The authorizer's id.
    pub fn id(&self) -> StringValue {
        self.reference()
    }
}

/// A custom domain name for APIs.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-apigatewayv2-domainname.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DomainName {
    /// The name, `api.example.com`.
    pub domain_name: String,
    /// Its certificate and endpoint.
    pub domain_name_configurations: [DomainNameConfiguration; 1],
    /// The domain name's tags.
    pub tags: TagMap,
}

/// The certificate and endpoint of a custom domain name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DomainNameConfiguration {
    /// The ARN of the certificate, which is in the API's region.
    pub certificate_arn: StringValue,
    /// The kind of endpoint.
    pub endpoint_type: EndpointType,
    /// The oldest TLS that clients may use.
    pub security_policy: SecurityPolicy,
}

/// The kind of endpoint of a custom domain name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum EndpointType {
    /// An endpoint in the stack's region.
    Regional,
}

/// The oldest TLS that clients may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum SecurityPolicy {
    /// TLS 1.2.
    #[serde(rename = "TLS_1_2")]
    Tls12,
}

impl ResourceType for DomainName {
    const TYPE_NAME: &'static str = "AWS::ApiGatewayV2::DomainName";
}

impl Handle<DomainName> {
    /// The name.
    pub fn name(&self) -> StringValue {
        self.reference()
    }

    /// The target of the DNS record for the name.
    pub fn regional_domain_name(&self) -> StringValue {
        self.attribute("RegionalDomainName")
    }
}

/// The mapping of a custom domain name to a stage.
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

impl ResourceType for ApiMapping {
    const TYPE_NAME: &'static str = "AWS::ApiGatewayV2::ApiMapping";
}
