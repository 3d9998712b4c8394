//! The queue and table of a shop, in this process: `cargo run -p local-aws --example orders`.

use std::{error::Error, io::Write, sync::Arc};

use aws_sdk_dynamodb::{config::retry::RetryConfig, types::AttributeValue};
use cloudformation::{
    Attributes, ConstructPath, Format, RemovalPolicy, Template,
    resources::{
        Tags,
        dynamodb::{
            AttributeDefinition, BillingMode, KeySchema, KeyType, PointInTimeRecoverySpecification,
            SseSpecification, Table,
        },
        sqs::Queue,
    },
};
use local_aws::{Fault, InProcess, Times, sdk_http_client};
use serde_json::Value;

/// The SDK's configuration for a client of `services`.
macro_rules! config {
    ($sdk:ident, $services:expr) => {
        $sdk::Config::builder()
            .behavior_version($sdk::config::BehaviorVersion::latest())
            .region($sdk::config::Region::new("us-east-1"))
            .endpoint_url("http://127.0.0.1")
            .credentials_provider($sdk::config::Credentials::new(
                "intake",
                $services.secret(),
                None,
                None,
                "example",
            ))
            .http_client(sdk_http_client(Arc::clone($services)))
            .retry_config(RetryConfig::disabled())
            .build()
    };
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let services = Arc::new(InProcess::open(&template()?, "shop")?);
    let queues = aws_sdk_sqs::Client::from_conf(config!(aws_sdk_sqs, &services));
    let database = aws_sdk_dynamodb::Client::from_conf(config!(aws_sdk_dynamodb, &services));

    let url = queues.get_queue_url().queue_name("orders").send().await?;
    let url = url.queue_url().ok_or("the queue has no URL")?;
    let message = queues.send_message().queue_url(url);
    message.message_body("order o-1").send().await?;

    // The first write is throttled, as DynamoDB may do it at any time.
    let once = Times::new(1);
    services.faults().on_call(move |call| {
        (call.operation == "dynamodb:PutItem" && once.take()).then_some(Fault::Throttle)
    });
    let put = database
        .put_item()
        .table_name("orders")
        .item("order_id", AttributeValue::S("o-1".to_owned()))
        .condition_expression("attribute_not_exists(order_id)");
    let mut output = std::io::stdout().lock();
    for attempt in 1..=3 {
        match put.clone().send().await {
            Ok(_) => writeln!(output, "attempt {attempt}: stored")?,
            Err(error) => writeln!(output, "attempt {attempt}: {}", error.into_service_error())?,
        }
    }

    writeln!(output, "queue: {:?}", services.queue_messages("orders"))?;
    writeln!(output, "table: {:?}", services.items("orders")?)?;
    for (call, count) in services.calls().all() {
        let (caller, operation, resource) = (call.caller, call.operation, call.resource);
        writeln!(output, "{caller} called {operation} on {resource}: {count}")?;
    }
    Ok(())
}

/// The template in CloudFormation's long form, which `local-aws` reads.
fn template() -> Result<Value, Box<dyn Error>> {
    let mut template = Template::new("The orders of a shop");
    let path = ConstructPath::root("shop");
    let tags = Tags::new([("Team", "orders")]);
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
    template.add(&path.child("Queue"), queue, retain.clone())?;
    let table = Table {
        table_name: Some("orders".into()),
        billing_mode: BillingMode::PayPerRequest,
        attribute_definitions: vec![AttributeDefinition {
            attribute_name: "order_id".into(),
            attribute_type: "S".into(),
        }],
        key_schema: vec![KeySchema {
            attribute_name: "order_id".into(),
            key_type: KeyType::Hash,
        }],
        global_secondary_indexes: Vec::new(),
        time_to_live_specification: None,
        point_in_time_recovery_specification: PointInTimeRecoverySpecification {
            point_in_time_recovery_enabled: true,
        },
        sse_specification: SseSpecification { sse_enabled: false },
        deletion_protection_enabled: false,
        tags: tags.list(),
    };
    template.add(&path.child("Table"), table, retain)?;
    Ok(template.to_json(Format::CloudFormation)?)
}
