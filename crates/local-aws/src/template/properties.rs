//! The properties that the local stack reads, by resource type.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// `AWS::ApiGatewayV2::Api`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ApiProperties {
    pub(super) protocol_type: String,
    pub(super) route_selection_expression: Option<String>,
    pub(super) cors_configuration: Option<Cors>,
}

/// `CorsConfiguration` of an API.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Cors {
    pub(crate) allow_credentials: bool,
    pub(crate) allow_headers: Vec<String>,
    pub(crate) allow_methods: Vec<String>,
    pub(crate) allow_origins: Vec<String>,
    pub(crate) expose_headers: Vec<String>,
    pub(crate) max_age: Option<u64>,
}

/// `AWS::ApiGatewayV2::Route`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RouteProperties {
    pub(super) api_id: String,
    #[serde(rename = "RouteKey")]
    pub(super) key: String,
    pub(super) target: Option<String>,
    pub(super) authorization_type: Option<String>,
    pub(super) authorizer_id: Option<String>,
}

/// `AWS::ApiGatewayV2::Authorizer`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AuthorizerProperties {
    #[serde(rename = "AuthorizerType")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) identity_source: Vec<String>,
    #[serde(rename = "AuthorizerUri")]
    pub(super) uri: Option<String>,
    pub(super) jwt_configuration: Option<JwtConfiguration>,
}

/// `JwtConfiguration` of an authorizer.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct JwtConfiguration {
    pub(crate) issuer: String,
    pub(crate) audience: Vec<String>,
}

/// `AWS::ApiGatewayV2::Integration`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct IntegrationProperties {
    pub(super) integration_uri: String,
    pub(super) timeout_in_millis: Option<u64>,
}

/// `AWS::ApiGatewayV2::Stage`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StageProperties {
    pub(super) api_id: String,
    pub(super) stage_name: String,
}

/// `AWS::Lambda::Function`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct FunctionProperties {
    #[serde(default = "default_function_timeout")]
    pub(super) timeout: u64,
    #[serde(default = "default_memory_size")]
    pub(super) memory_size: u64,
    #[serde(default)]
    pub(super) environment: EnvironmentProperties,
    pub(super) reserved_concurrent_executions: Option<usize>,
    #[serde(default)]
    pub(super) logging_config: LoggingConfigProperties,
}

fn default_function_timeout() -> u64 {
    3
}

fn default_memory_size() -> u64 {
    128
}

/// `Environment` of a function.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct EnvironmentProperties {
    pub(super) variables: BTreeMap<String, Value>,
}

/// `LoggingConfig` of a function.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct LoggingConfigProperties {
    pub(super) log_format: Option<String>,
    pub(super) application_log_level: Option<String>,
    pub(super) log_group: Option<String>,
}

/// `AWS::Lambda::EventSourceMapping`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct EventSourceMappingProperties {
    pub(super) event_source_arn: String,
    pub(super) function_name: String,
    #[serde(default = "default_batch_size")]
    pub(super) batch_size: usize,
    #[serde(default)]
    pub(super) function_response_types: Vec<String>,
    #[serde(default)]
    pub(super) scaling_config: ScalingConfig,
    pub(super) enabled: Option<bool>,
}

fn default_batch_size() -> usize {
    10
}

/// `ScalingConfig` of a mapping.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct ScalingConfig {
    pub(super) maximum_concurrency: Option<usize>,
}

/// `AWS::SQS::Queue`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct QueueProperties {
    #[serde(default = "default_visibility_timeout")]
    pub(super) visibility_timeout: u64,
    #[serde(default)]
    pub(super) delay_seconds: u64,
    #[serde(default = "default_retention")]
    pub(super) message_retention_period: u64,
    pub(super) redrive_policy: Option<RedrivePolicy>,
}

fn default_visibility_timeout() -> u64 {
    30
}

fn default_retention() -> u64 {
    345_600
}

/// `RedrivePolicy` of a queue. Its keys are in camel case, as in the SQS API.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RedrivePolicy {
    pub(super) dead_letter_target_arn: String,
    pub(super) max_receive_count: u32,
}
