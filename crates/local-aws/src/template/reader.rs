//! Turns the template's resources into a [`System`].

use std::{collections::BTreeMap, time::Duration};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    document::{Document, Resource},
    error::TemplateError,
    intrinsics::Scope,
    location::StackLocation,
    properties::{
        ApiProperties, EventSourceMappingProperties, FunctionProperties, QueueProperties,
    },
    system::{
        EventSource, FunctionResource, HttpApiResource, QueueResource, System, WebSocketApiResource,
    },
};

/// Resource types that the local stack ignores without a warning.
const IGNORED_TYPES: &[&str] = &[
    "AWS::ApiGateway::Account",
    "AWS::ApiGatewayV2::ApiMapping",
    "AWS::ApiGatewayV2::Deployment",
    "AWS::ApiGatewayV2::DomainName",
    "AWS::CertificateManager::Certificate",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::Lambda::Permission",
    "AWS::Logs::LogGroup",
    "AWS::Logs::MetricFilter",
    "AWS::Logs::QueryDefinition",
    "AWS::Route53::RecordSet",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
];

/// Resource types that the local stack runs.
const SUPPORTED_TYPES: &[&str] = &[
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::Authorizer",
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::Route",
    "AWS::ApiGatewayV2::Stage",
    "AWS::DynamoDB::Table",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Function",
    "AWS::S3::Bucket",
    "AWS::SQS::Queue",
];

/// Properties that are not evaluated. They may refer to parameters that have values only in a
/// deployment.
const IGNORED_PROPERTIES: &[&str] = &["Code", "Role", "Tags"];

/// Properties of a table that are fields of a `CreateTable` request too.
const CREATE_TABLE: &[&str] = &[
    "AttributeDefinitions",
    "BillingMode",
    "GlobalSecondaryIndexes",
    "KeySchema",
    "LocalSecondaryIndexes",
    "ProvisionedThroughput",
];

/// The resources whose condition is true, with their properties evaluated.
pub(super) struct Reader<'a> {
    pub(super) scope: &'a Scope<'a>,
    resources: Vec<(&'a str, &'a Resource, Value)>,
    pub(super) warnings: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(scope: &'a Scope<'a>) -> Result<Self, TemplateError> {
        let mut resources = Vec::new();
        let mut warnings = Vec::new();
        for (logical_id, resource) in &scope.document.resources {
            if let Some(condition) = &resource.condition
                && !scope.condition(condition)?
            {
                continue;
            }
            let kind = resource.r#type.as_str();
            if IGNORED_TYPES.contains(&kind) {
                continue;
            }
            if !SUPPORTED_TYPES.contains(&kind) {
                warnings.push(format!("{logical_id} ({kind}) does not run locally"));
                continue;
            }
            let mut properties = resource.properties.clone();
            if let Some(properties) = properties.as_object_mut() {
                properties.retain(|name, _| !IGNORED_PROPERTIES.contains(&name.as_str()));
            }
            let properties = scope.evaluate(&properties)?;
            let properties = properties.unwrap_or_else(|| json!({}));
            resources.push((logical_id.as_str(), resource, properties));
        }
        Ok(Self {
            scope,
            resources,
            warnings,
        })
    }

    pub(super) fn system(mut self) -> Result<System, TemplateError> {
        let mut system = System {
            functions: self.functions()?,
            queues: self.queues()?,
            event_sources: self.event_sources()?,
            tables: self.tables(),
            buckets: self.names("AWS::S3::Bucket")?,
            ..System::default()
        };
        for (logical_id, api) in self.all::<ApiProperties>("AWS::ApiGatewayV2::Api")? {
            let id = self.scope.reference(logical_id)?;
            let stage = self.stage(&id)?;
            let routes = self.routes(&id, &api.protocol_type)?;
            let taken = if api.protocol_type == "WEBSOCKET" {
                let selector = selector(api.route_selection_expression.as_deref())?;
                let api = WebSocketApiResource {
                    id,
                    stage,
                    selector,
                    routes,
                };
                system.websocket.replace(api).is_some()
            } else {
                let cors = api.cors_configuration;
                let api = HttpApiResource {
                    id,
                    stage,
                    cors,
                    routes,
                };
                system.http.replace(api).is_some()
            };
            if taken {
                return Err(TemplateError::SecondApi {
                    logical_id: logical_id.to_owned(),
                    kind: api.protocol_type,
                });
            }
        }
        for (name, output) in &self.scope.document.outputs {
            let present = match &output.condition {
                Some(condition) => self.scope.condition(condition)?,
                None => true,
            };
            if present && let Some(Value::String(value)) = self.scope.evaluate(&output.value)? {
                system.outputs.insert(name.clone(), value);
            }
        }
        system.warnings = self.warnings;
        Ok(system)
    }

    /// Every resource of a type, as logical id and properties.
    pub(super) fn all<T: DeserializeOwned>(
        &self,
        kind: &str,
    ) -> Result<Vec<(&'a str, T)>, TemplateError> {
        let of_kind = self
            .resources
            .iter()
            .filter(|(_, resource, _)| resource.r#type == kind);
        of_kind
            .map(|(logical_id, _, properties)| {
                let read = serde_json::from_value(properties.clone());
                let read = read.map_err(|source| TemplateError::Properties {
                    logical_id: (*logical_id).to_owned(),
                    kind: kind.to_owned(),
                    source,
                })?;
                Ok((*logical_id, read))
            })
            .collect()
    }

    fn names(&self, kind: &str) -> Result<Vec<String>, TemplateError> {
        let all = self.all::<Value>(kind)?;
        all.iter()
            .map(|(logical_id, _)| self.scope.reference(logical_id))
            .collect()
    }

    fn functions(&self) -> Result<Vec<FunctionResource>, TemplateError> {
        let mut functions = Vec::new();
        for (logical_id, function) in self.all::<FunctionProperties>("AWS::Lambda::Function")? {
            let metadata = &self.scope.document.resources[logical_id].metadata;
            let binary = metadata
                .pointer("/BuildProperties/Binary")
                .and_then(Value::as_str);
            let binary = binary.ok_or_else(|| TemplateError::NoBinary {
                logical_id: logical_id.to_owned(),
            })?;
            let name = self.scope.reference(logical_id)?;
            let mut environment = BTreeMap::new();
            for (variable, value) in function.environment.variables {
                let text = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                environment.insert(variable, text);
            }
            let logging = function.logging_config;
            if let Some(format) = logging.log_format {
                environment.insert("AWS_LAMBDA_LOG_FORMAT".to_owned(), format);
            }
            if let Some(level) = logging.application_log_level {
                environment.insert("AWS_LAMBDA_LOG_LEVEL".to_owned(), level);
            }
            let log_group = logging
                .log_group
                .unwrap_or_else(|| format!("/aws/lambda/{name}"));
            environment.insert("AWS_LAMBDA_LOG_GROUP_NAME".to_owned(), log_group);
            functions.push(FunctionResource {
                binary: binary.to_owned(),
                arn: self.scope.attribute(logical_id, "Arn")?,
                name,
                timeout: Duration::from_secs(function.timeout),
                memory_mib: function.memory_size,
                reserved_concurrency: function.reserved_concurrent_executions,
                environment,
            });
        }
        Ok(functions)
    }

    fn queues(&self) -> Result<Vec<QueueResource>, TemplateError> {
        let all = self.all::<QueueProperties>("AWS::SQS::Queue")?;
        let queues = all.into_iter().map(|(logical_id, queue)| {
            Ok(QueueResource {
                name: self.scope.attribute(logical_id, "QueueName")?,
                arn: self.scope.attribute(logical_id, "Arn")?,
                url: self.scope.attribute(logical_id, "QueueUrl")?,
                visibility_timeout: Duration::from_secs(queue.visibility_timeout),
                delay: Duration::from_secs(queue.delay_seconds),
                retention: Duration::from_secs(queue.message_retention_period),
                earlier_receives: 0,
                redrive: queue.redrive_policy.map(|policy| {
                    (
                        last_of_arn(&policy.dead_letter_target_arn),
                        policy.max_receive_count,
                    )
                }),
            })
        });
        queues.collect()
    }

    fn event_sources(&self) -> Result<Vec<EventSource>, TemplateError> {
        let all = self.all::<EventSourceMappingProperties>("AWS::Lambda::EventSourceMapping")?;
        let queues = self.names("AWS::SQS::Queue")?;
        let mut sources = Vec::new();
        for (logical_id, mapping) in all {
            if mapping.enabled == Some(false) {
                continue;
            }
            let queue = last_of_arn(&mapping.event_source_arn);
            if !queues.iter().any(|url| last_of_path(url) == queue) {
                return Err(TemplateError::NotInTemplate {
                    user: logical_id.to_owned(),
                    arn: mapping.event_source_arn,
                });
            }
            sources.push(EventSource {
                queue,
                function: last_of_arn(&mapping.function_name),
                batch_size: mapping.batch_size,
                reports_item_failures: mapping
                    .function_response_types
                    .iter()
                    .any(|kind| kind == "ReportBatchItemFailures"),
                maximum_concurrency: mapping.scaling_config.maximum_concurrency,
            });
        }
        Ok(sources)
    }

    fn tables(&self) -> Vec<(Value, Option<String>)> {
        let all = self.resources.iter();
        let all = all.filter(|(_, resource, _)| resource.r#type == "AWS::DynamoDB::Table");
        all.map(|(logical_id, _, properties)| {
            let mut request = serde_json::Map::new();
            for name in CREATE_TABLE {
                if let Some(property) = properties.get(*name) {
                    request.insert((*name).to_owned(), property.clone());
                }
            }
            let name = self.scope.reference(logical_id).unwrap_or_default();
            request.insert("TableName".to_owned(), name.into());
            let time_to_live = properties.pointer("/TimeToLiveSpecification/AttributeName");
            let time_to_live = time_to_live.and_then(Value::as_str).map(str::to_owned);
            (Value::Object(request), time_to_live)
        })
        .collect()
    }
}

impl System {
    /// Reads a template in CloudFormation's long form.
    pub(crate) fn read(
        template: &Value,
        parameters: &BTreeMap<String, String>,
        location: &StackLocation,
    ) -> Result<Self, TemplateError> {
        if let Some(transform) = template.get("Transform") {
            return Err(TemplateError::Transform(transform.to_string()));
        }
        let document: Document =
            serde_json::from_value(template.clone()).map_err(TemplateError::NotATemplate)?;
        let scope = Scope {
            document: &document,
            parameters,
            location,
        };
        let reader = Reader::new(&scope)?;
        reader.system()
    }
}

fn last_of_arn(arn: &str) -> String {
    arn.rsplit(':').next().unwrap_or(arn).to_owned()
}

fn last_of_path(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The path in a message's body that an API's route selection expression names.
fn selector(expression: Option<&str>) -> Result<Vec<String>, TemplateError> {
    let expression = expression.unwrap_or_default();
    let bare = expression
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'));
    let path = bare.map_or(expression, |bare| bare);
    let path = path.strip_prefix('$').unwrap_or(path);
    match path.strip_prefix("request.body.") {
        Some(path) if !path.is_empty() => Ok(path.split('.').map(str::to_owned).collect()),
        _ => Err(TemplateError::UnsupportedRouteSelection(
            expression.to_owned(),
        )),
    }
}
