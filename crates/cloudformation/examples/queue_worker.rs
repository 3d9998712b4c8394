//! A queue and the function that consumes it, printed for the SAM CLI:
//! `cargo run -p cloudformation --example queue_worker`.

use std::{
    error::Error,
    io::{self, Write},
};

use cloudformation::{
    Attributes, ConstructPath, Format, RemovalPolicy, Template,
    resources::{
        Tags,
        iam::{Policy, PolicyDocument, Role, Statement, Target},
        lambda::{
            Architecture, Code, EventSourceMapping, Function, FunctionResponseType, LogFormat,
            LogLevel, LoggingConfig, Runtime, ScalingConfig, Tracing, TracingConfig, Variables,
        },
        logs::{LogGroup, RetentionDays},
        serverless,
        sqs::Queue,
    },
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut template = Template::new("A queue and its consumer");
    let tags = Tags::new([("Team", "orders")]);
    let path = ConstructPath::root("orders");
    let retain = Attributes {
        removal: Some(RemovalPolicy::Retain),
        ..Attributes::default()
    };

    let queue = Queue {
        queue_name: Some("orders".into()),
        visibility_timeout: Some(60),
        message_retention_period: 345_600,
        redrive_policy: None,
        sqs_managed_sse_enabled: true,
        tags: tags.list(),
    };
    let queue = template.add(&path.child("Queue"), queue, retain.clone())?;
    let logs = LogGroup {
        retention_in_days: RetentionDays::OneWeek,
        tags: tags.list(),
    };
    let logs = template.add(&path.child("Logs"), logs, retain)?;

    let receive = Statement::allow(
        "Receive",
        [
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:ReceiveMessage",
        ],
        Target::Arns(vec![queue.arn()]),
    );
    let write_logs = Statement::allow(
        "Logs",
        ["logs:CreateLogStream", "logs:PutLogEvents"],
        Target::Arns(vec![logs.streams_arn()]),
    );
    let role = Role {
        assume_role_policy_document: PolicyDocument::new(vec![Statement::trust(
            "lambda.amazonaws.com",
        )]),
        policies: vec![Policy {
            policy_name: "grants".into(),
            policy_document: PolicyDocument::new(vec![receive, write_logs]),
        }],
        tags: tags.list(),
    };
    let role = template.add(&path.child("Role"), role, Attributes::default())?;

    let function = Function {
        description: "Consumes orders".into(),
        architectures: [Architecture::Arm64],
        runtime: Runtime::ProvidedAl2023,
        handler: "bootstrap".into(),
        // The parameters for the package are needed in the CloudFormation form only.
        code: Code::of("orders"),
        memory_size: 128,
        ephemeral_storage: None,
        timeout: 10,
        role: role.arn(),
        environment: Variables {
            variables: [("QUEUE_URL".into(), queue.url())].into_iter().collect(),
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
        tags: tags.list(),
    };
    let attributes = Attributes {
        metadata: serverless::build_metadata("orders"),
        ..Attributes::default()
    };
    let function = template.add(&path.child("Function"), function, attributes)?;
    let source = EventSourceMapping {
        function_name: function.name(),
        event_source_arn: queue.arn(),
        batch_size: 10,
        function_response_types: [FunctionResponseType::ReportBatchItemFailures],
        scaling_config: ScalingConfig {
            maximum_concurrency: 5,
        },
        tags: tags.list(),
    };
    template.add(&path.child("Source"), source, Attributes::default())?;

    let yaml = template.render(Format::Sam).to_yaml()?;
    Ok(io::stdout().write_all(yaml.as_bytes())?)
}
