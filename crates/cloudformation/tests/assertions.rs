//! Assertions about a template pass and fail as a test of a stack needs them.

use std::{env, fs, panic};

use cloudformation::{
    Attributes, ConstructPath, Format, Output, OutputName, RemovalPolicy, Template,
    assertions::{TemplateAssertions, absent, any},
    resources::{Tags, sqs::Queue},
};
use serde_json::json;

fn queue(name: &'static str, visibility_timeout: u32) -> Queue {
    Queue {
        queue_name: Some(name.into()),
        visibility_timeout: Some(visibility_timeout),
        message_retention_period: 86_400,
        redrive_policy: None,
        sqs_managed_sse_enabled: true,
        tags: Tags::new([("Team", "orders")]).list(),
    }
}

fn template() -> Template {
    let mut template = Template::new("Two queues");
    let retained = Attributes {
        removal: Some(RemovalPolicy::Retain),
        ..Attributes::default()
    };
    let orders = ConstructPath::root("orders").child("Queue");
    let orders = template
        .add(&orders, queue("orders", 60), retained)
        .expect("a new name");
    let returns = ConstructPath::root("returns").child("Queue");
    template
        .add(&returns, queue("returns", 30), Attributes::default())
        .expect("a new name");
    let output = Output {
        description: "The URL of the queue".to_owned(),
        value: orders.url(),
    };
    template
        .add_output(OutputName::new("orders_url"), output)
        .expect("a new name");
    template
}

fn assertions() -> TemplateAssertions {
    TemplateAssertions::of(&template()).expect("a template")
}

/// The message of an assertion that must fail.
fn failure(assertion: impl FnOnce() + panic::UnwindSafe) -> String {
    let panic = panic::catch_unwind(assertion).expect_err("the assertion must fail");
    let message = panic.downcast_ref::<String>();
    message.expect("a message").clone()
}

#[test]
fn resources_are_found_by_type_and_properties() {
    let template = assertions();
    template.resource_count_is("AWS::SQS::Queue", 2);
    template.resource_count_is("AWS::SNS::Topic", 0);
    template.has_resource_properties("AWS::SQS::Queue", json!({ "VisibilityTimeout": 30 }));
    template.has_resource(
        "AWS::SQS::Queue",
        json!({ "DeletionPolicy": "Retain", "Properties": { "QueueName": "orders" } }),
    );
    template.all_resources_have_properties(
        "AWS::SQS::Queue",
        json!({ "QueueName": any(), "KmsMasterKeyId": absent() }),
    );
    template.has_output("OrdersUrl", json!({ "Value": { "Ref": "OrdersQueue" } }));
    let found = template.find_resources("AWS::SQS::Queue", &json!({ "QueueName": "returns" }));
    assert_eq!(found.keys().collect::<Vec<_>>(), ["ReturnsQueue"]);
}

#[test]
fn failure_names_the_closest_resource_and_its_differences() {
    let template = assertions();
    let properties = json!({ "QueueName": "returns", "VisibilityTimeout": 31 });
    let message =
        failure(|| template.has_resource_properties("AWS::SQS::Queue", properties.clone()));
    assert_eq!(
        message,
        "no resource of the type AWS::SQS::Queue matches; the closest is ReturnsQueue:\n  at \
         VisibilityTimeout: expected 31, found 30"
    );
    let message = failure(|| template.all_resources_have_properties("AWS::SQS::Queue", properties));
    assert!(message.starts_with("the resource OrdersQueue"), "{message}");
    let message = failure(|| template.resource_count_is("AWS::SQS::Queue", 1));
    assert!(
        message.ends_with("found 2: OrdersQueue, ReturnsQueue"),
        "{message}"
    );
}

#[test]
fn failure_lists_what_the_template_has() {
    let template = assertions();
    let message = failure(|| template.has_resource("AWS::SNS::Topic", json!({})));
    assert_eq!(
        message,
        "the template has no resource of the type AWS::SNS::Topic; it has AWS::SQS::Queue"
    );
    let message = failure(|| template.all_resources_have_properties("AWS::SNS::Topic", json!({})));
    assert!(message.contains("it has AWS::SQS::Queue"), "{message}");
    let message = failure(|| template.has_output("Url", json!({})));
    assert_eq!(message, "the template has no output Url; it has OrdersUrl");
    let message = failure(|| template.has_output("OrdersUrl", json!({ "Export": any() })));
    assert!(message.contains("at Export: is missing"), "{message}");
}

#[test]
fn snapshot_failure_has_the_difference() {
    let template = assertions();
    let path = env::temp_dir().join(format!("cloudformation-{}.yaml", std::process::id()));
    let message = failure(|| template.matches_snapshot(&path));
    assert!(message.contains("does not exist"), "{message}");
    let yaml = self::template().render(Format::CloudFormation).to_yaml();
    let yaml = yaml.expect("YAML");

    fs::write(&path, &yaml).expect("a file");
    template.matches_snapshot(&path);
    fs::write(
        &path,
        yaml.replace("VisibilityTimeout: 30", "VisibilityTimeout: 31"),
    )
    .expect("a file");
    let message = failure(|| template.matches_snapshot(&path));
    fs::remove_file(&path).expect("a file");

    assert!(
        message.contains("-      VisibilityTimeout: 31\n+      VisibilityTimeout: 30"),
        "{message}"
    );
    assert!(message.contains("UPDATE=1"), "{message}");
}
