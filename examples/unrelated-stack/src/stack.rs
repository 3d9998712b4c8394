//! The stack of an order intake.

use cloudformation::{
    Attributes, ConstructPath, Handle, NameCollision, Output, OutputName, Parameter, ParameterName,
    ParameterType, Pseudo, RemovalPolicy, StringValue, Template, Untyped, UntypedError,
    resources::{
        Tags,
        apigatewayv2::{
            AccessLogSettings, Api, Authorization, Cors, Integration, IntegrationType,
            PayloadFormat, Protocol, Route, RouteSettings, Stage,
        },
        dynamodb::{
            AttributeDefinition, BillingMode, KeySchema, KeyType, PointInTimeRecoverySpecification,
            SseSpecification, Table, TimeToLiveSpecification,
        },
        iam::{self, Policy, PolicyDocument, Role, Statement},
        lambda::{
            self, Architecture, Code, EventSourceMapping, Function, FunctionResponseType,
            LogFormat, LogLevel, LoggingConfig, Permission, PermittedAction, Runtime,
            ScalingConfig, Tracing, TracingConfig, Variables, invocation_uri,
        },
        logs::{LogGroup, RetentionDays},
        serverless,
        sqs::{Queue, RedrivePolicy},
    },
    sub,
};
use serde_json::json;

use crate::schedule::{FlexibleTimeWindow, Schedule, ScheduleAttributes as _, Target};

/// What differs between stacks.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name of the queue.
    pub queue_name: String,
    /// The name of the schedule.
    pub schedule_name: String,
    /// Seconds that a function may run.
    pub timeout: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            queue_name: "shipments".to_owned(),
            schedule_name: "nightly-reminder".to_owned(),
            timeout: 10,
        }
    }
}

/// Why there is no template.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// Two parts of the stack have the same name.
    #[error(transparent)]
    Name(#[from] NameCollision),
    /// The untyped resource is not one.
    #[error(transparent)]
    Untyped(#[from] UntypedError),
}

/// The stack while resources are added to it.
struct Stack {
    template: Template,
    tags: Tags,
    settings: Settings,
}

/// The template of the order intake.
pub fn template(settings: &Settings) -> Result<Template, StackError> {
    let mut stack = Stack {
        template: Template::new("Takes orders and ships them"),
        tags: Tags::new([("Team", "shop")]),
        settings: settings.clone(),
    };
    let table = stack.add_table()?;
    let queue = stack.add_queue()?;
    let allow_orders = Statement::allow("Orders", ["dynamodb:PutItem"], arns([table.arn()]));
    let allow_shipments = Statement::allow("Shipments", ["sqs:SendMessage"], arns([queue.arn()]));
    let intake = stack.add_function(
        "intake",
        vec![allow_orders, allow_shipments],
        [("ORDERS", table.name()), ("SHIPMENTS", queue.url())],
    )?;
    let receive = [
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
    ];
    let receive = Statement::allow("Shipments", receive, arns([queue.arn()]));
    let shipping = stack.add_function("shipping", vec![receive], [])?;
    let mapping = EventSourceMapping {
        function_name: shipping.name(),
        event_source_arn: queue.arn(),
        batch_size: 5,
        function_response_types: [FunctionResponseType::ReportBatchItemFailures],
        scaling_config: ScalingConfig {
            maximum_concurrency: 10,
        },
        tags: stack.tags.list(),
    };
    stack.add(&ConstructPath::root("shipping").child("Source"), mapping)?;
    stack.add_schedule(&queue)?;
    stack.add_api(&intake)?;
    Ok(stack.template)
}

fn arns(arns: impl IntoIterator<Item = StringValue>) -> iam::Target {
    iam::Target::Arns(arns.into_iter().collect())
}

impl Stack {
    fn add<R: cloudformation::ResourceType>(
        &mut self,
        path: &ConstructPath,
        resource: R,
    ) -> Result<Handle<R>, NameCollision> {
        let attributes = Attributes {
            removal: R::HOLDS_DATA.then_some(RemovalPolicy::Retain),
            ..Attributes::default()
        };
        self.template.add(path, resource, attributes)
    }

    fn add_table(&mut self) -> Result<Handle<Table>, NameCollision> {
        let table = Table {
            table_name: sub![Pseudo::StackName, "-orders"],
            billing_mode: BillingMode::PayPerRequest,
            attribute_definitions: vec![AttributeDefinition {
                attribute_name: "order_id",
                attribute_type: "S",
            }],
            key_schema: vec![KeySchema {
                attribute_name: "order_id",
                key_type: KeyType::Hash,
            }],
            global_secondary_indexes: Vec::new(),
            time_to_live_specification: TimeToLiveSpecification {
                attribute_name: "expires_at",
                enabled: true,
            },
            point_in_time_recovery_specification: PointInTimeRecoverySpecification {
                point_in_time_recovery_enabled: true,
            },
            sse_specification: SseSpecification { sse_enabled: false },
            deletion_protection_enabled: true,
            tags: self.tags.list(),
        };
        self.add(&ConstructPath::root("orders").child("Table"), table)
    }

    fn add_queue(&mut self) -> Result<Handle<Queue>, NameCollision> {
        let path = ConstructPath::root("shipments");
        let dead_letters = Queue {
            queue_name: format!("{}-dead-letters", self.settings.queue_name).into(),
            visibility_timeout: None,
            message_retention_period: 1_209_600,
            redrive_policy: None,
            sqs_managed_sse_enabled: true,
            tags: self.tags.list(),
        };
        let queue = Queue {
            queue_name: self.settings.queue_name.clone().into(),
            visibility_timeout: Some(6 * self.settings.timeout),
            message_retention_period: 345_600,
            ..dead_letters.clone()
        };
        let dead_letters = self.add(&path.child("DeadLetters"), dead_letters)?;
        let redrive_policy = Some(RedrivePolicy {
            dead_letter_target_arn: dead_letters.arn(),
            max_receive_count: 3,
        });
        let queue = Queue {
            redrive_policy,
            ..queue
        };
        self.add(&path.child("Queue"), queue)
    }

    fn add_role(
        &mut self,
        path: &ConstructPath,
        service: &'static str,
        statements: Vec<Statement>,
    ) -> Result<Handle<Role>, NameCollision> {
        let role = Role {
            assume_role_policy_document: PolicyDocument::new(vec![Statement::trust(service)]),
            policies: vec![Policy {
                policy_name: "grants",
                policy_document: PolicyDocument::new(statements),
            }],
            tags: self.tags.list(),
        };
        self.add(path, role)
    }

    fn add_function(
        &mut self,
        name: &'static str,
        mut statements: Vec<Statement>,
        variables: impl IntoIterator<Item = (&'static str, StringValue)>,
    ) -> Result<Handle<Function>, NameCollision> {
        let path = ConstructPath::root(name);
        let code = Code::of(name);
        for parameter in [&code.s3_bucket, &code.s3_key] {
            self.add_code_parameter(parameter)?;
        }
        let logs = LogGroup {
            retention_in_days: RetentionDays::OneMonth,
            tags: self.tags.list(),
        };
        let logs = self.add(&path.child("Logs"), logs)?;
        statements.push(Statement::allow(
            "Logs",
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            arns([logs.streams_arn()]),
        ));
        let role = self.add_role(&path.child("Role"), "lambda.amazonaws.com", statements)?;
        let function = Function {
            description: "Part of the order intake",
            architectures: [Architecture::Arm64],
            runtime: Runtime::ProvidedAl2023,
            handler: "bootstrap",
            code,
            memory_size: 256,
            timeout: self.settings.timeout,
            role: role.arn(),
            environment: Variables {
                variables: variables.into_iter().collect(),
            },
            logging_config: LoggingConfig {
                log_group: logs.name(),
                log_format: LogFormat::Json,
                application_log_level: LogLevel::Info,
            },
            tracing_config: TracingConfig {
                mode: Tracing::Active,
            },
            reserved_concurrent_executions: None,
            tags: self.tags.list(),
        };
        let attributes = Attributes {
            metadata: serverless::build_metadata(name),
            ..Attributes::default()
        };
        self.template
            .add(&path.child("Function"), function, attributes)
    }

    fn add_code_parameter(&mut self, name: &ParameterName) -> Result<(), NameCollision> {
        if self.template.parameters().contains_key(name) {
            return Ok(());
        }
        let parameter = Parameter {
            kind: ParameterType::String,
            description: "Where the package of a function is".to_owned(),
            default: None,
            allowed_pattern: None,
            constraint_description: None,
        };
        self.template.add_parameter(name.clone(), parameter)
    }

    /// The resource type that this crate declares, and one that has no type: the schedule's name is stored
    /// for other stacks.
    fn add_schedule(&mut self, queue: &Handle<Queue>) -> Result<(), StackError> {
        let path = ConstructPath::root("reminder");
        let send = Statement::allow("Send", ["sqs:SendMessage"], arns([queue.arn()]));
        let role = self.add_role(&path.child("Role"), "scheduler.amazonaws.com", vec![send])?;
        let schedule = Schedule {
            name: self.settings.schedule_name.clone(),
            schedule_expression: "cron(0 3 * * ? *)",
            flexible_time_window: FlexibleTimeWindow::Flexible {
                maximum_window_in_minutes: 15,
            },
            target: Target {
                arn: queue.arn(),
                role_arn: role.arn(),
                input: r#"{"type":"reminder"}"#.into(),
            },
        };
        let schedule = self.add(&path.child("Schedule"), schedule)?;
        let parameter = Untyped::new(
            "AWS::SSM::Parameter",
            json!({
                "Type": "String",
                "Name": "/shop/reminder",
                "Value": schedule.name(),
                "Description": sub!["The schedule ", schedule.arn()],
            }),
        )?;
        let path = path.child("Parameter");
        self.template
            .add_untyped(&path, parameter, Attributes::default())?;
        Ok(())
    }

    fn add_api(&mut self, function: &Handle<lambda::Function>) -> Result<(), NameCollision> {
        let path = ConstructPath::root("api");
        let api = Api {
            name: Pseudo::StackName.into(),
            description: "Takes orders",
            protocol: Protocol::Http {
                cors_configuration: Cors {
                    allow_origins: vec!["https://shop.example.com".to_owned()],
                    allow_methods: vec!["POST"],
                    allow_headers: vec!["content-type"],
                    expose_headers: Vec::new(),
                    max_age: 3600,
                },
            },
            tags: self.tags.map(),
        };
        let api = self.add(&path, api)?;
        let integration = Integration {
            api_id: api.id(),
            integration_type: IntegrationType::AwsProxy,
            integration_uri: invocation_uri(function.arn()),
            payload_format_version: Some(PayloadFormat::V2),
            timeout_in_millis: 1000 * self.settings.timeout,
        };
        let integration = self.add(&path.child("Integration"), integration)?;
        let route = Route {
            api_id: api.id(),
            route_key: "POST /orders".to_owned(),
            operation_name: "placeOrder".to_owned(),
            authorization: Authorization::None,
            target: sub!["integrations/", integration.id()],
        };
        self.add(&path.child("Route"), route)?;
        let permission = Permission {
            action: PermittedAction::InvokeFunction,
            function_name: function.arn(),
            principal: "apigateway.amazonaws.com",
            source_arn: sub![
                "arn:",
                Pseudo::Partition,
                ":execute-api:",
                Pseudo::Region,
                ":",
                Pseudo::AccountId,
                ":",
                api.id(),
                "/*/POST/orders",
            ],
        };
        self.add(&path.child("Permission"), permission)?;
        let logs = LogGroup {
            retention_in_days: RetentionDays::OneMonth,
            tags: self.tags.list(),
        };
        let logs = self.add(&path.child("Logs"), logs)?;
        let stage = Stage {
            api_id: api.id(),
            stage_name: "$default",
            auto_deploy: true,
            access_log_settings: AccessLogSettings {
                destination_arn: logs.arn(),
                format: "$context.requestId $context.status".to_owned(),
            },
            default_route_settings: RouteSettings {
                detailed_metrics_enabled: true,
                throttling_rate_limit: 50,
                throttling_burst_limit: 100,
                execution_logs: None,
            },
            route_settings: [].into_iter().collect(),
            tags: self.tags.map(),
        };
        self.add(&path.child("Stage"), stage)?;
        let url = Output {
            description: "Where orders go".to_owned(),
            value: sub![
                "https://",
                api.id(),
                ".execute-api.",
                Pseudo::Region,
                ".",
                Pseudo::UrlSuffix,
                "/orders",
            ],
        };
        self.template.add_output(OutputName::new("orders_url"), url)
    }
}
