//! The names of tables and queues: no deployment touches what another stack owns.

use super::{
    fake::{FakeAws, Stack},
    program::{SAME, assert_failed, deploy, run, stack},
};
use crate::program::stderr;

/// An account in which `dev` is deployed. The fake has one stack; the other one is known by the tags of
/// what it made.
fn with_dev() -> FakeAws {
    FakeAws::new()
        .with_stack(stack("UPDATE_COMPLETE", SAME))
        .with_table("jobs", Some("stagecast-dev"))
        .with_table("job_events", Some("stagecast-dev"))
        .with_queue("jobs", Some("stagecast-dev"))
}

#[test]
fn prod_beside_dev_has_names_of_its_own_by_default() {
    let aws = with_dev();
    let output = deploy(&aws, &["--yes", "--environment", "prod"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let made = aws.requests("CreateChangeSet")[0].form();
    assert_eq!(made["StackName"], "stagecast-prod");
    assert_eq!(made["Parameters.member.1.ParameterKey"], "NameSuffix");
    assert_eq!(made["Parameters.member.1.ParameterValue"], "-prod");
    let asked = aws.requests("DescribeTable");
    assert!(asked.iter().any(|it| it.body.contains("\"jobs-prod\"")));
}

#[test]
fn names_of_another_stack_are_refused_before_anything_is_built_or_uploaded() {
    let aws = with_dev();
    let options = ["--yes", "--environment", "prod", "--name-suffix="];
    assert_failed(
        &deploy(&aws, &options),
        &[
            "the stack stagecast-prod needs names that are taken",
            "JobsTable (AWS::DynamoDB::Table): 'jobs' exists, owned by the stack stagecast-dev",
            "JobEventsTable (AWS::DynamoDB::Table): 'job_events' exists",
            "JobsQueue (AWS::SQS::Queue): 'jobs' exists, owned by the stack stagecast-dev",
            "nothing was changed",
            "`infra-gen deploy --environment prod --name-suffix=-NAME`",
        ],
    );
    for operation in ["CreateBucket", "PutObject", "CreateChangeSet"] {
        assert_eq!(aws.count(operation), 0, "{operation}");
    }
}

/// The tables of `prod` outlive its stack, and one that somebody made by hand has no stack.
#[test]
fn names_that_no_stack_owns_are_refused_with_the_commands_that_delete_them() {
    let aws = FakeAws::new()
        .with_table("jobs-prod", Some("stagecast-prod"))
        .with_queue("deliveries-prod", None);
    let output = deploy(&aws, &["--yes", "--environment", "prod"]);
    assert_failed(
        &output,
        &[
            "'jobs-prod' exists, left behind by the stack stagecast-prod, which is deleted",
            "'deliveries-prod' exists, owned by no stack",
            "aws dynamodb delete-table --table-name jobs-prod --endpoint-url",
            "--queue-name deliveries-prod ",
        ],
    );
    assert_eq!(aws.count("CreateChangeSet"), 0);
    let aws = with_dev();
    let output = deploy(&aws, &["--yes", "--environment", "prod", "--name-suffix="]);
    assert!(
        !stderr(&output).contains("delete-table"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn names_that_a_stack_has_already_are_its_own() {
    let aws = FakeAws::new()
        .with_stack(stack(
            "UPDATE_COMPLETE",
            ("MemorySize: 1769", "MemorySize: 512"),
        ))
        .with_table("jobs", Some("stagecast-dev"));
    let output = deploy(&aws, &["--yes"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(aws.count("ExecuteChangeSet"), 1);
}

/// Another stack came while the functions were built.
#[test]
fn names_are_checked_again_just_before_the_change_set_is_executed() {
    let missing = r#"{"__type":"ResourceNotFoundException","message":"none"}"#;
    let tables = 4;
    let aws = with_dev().answering("DescribeTable", 400, missing, tables);
    let aws = aws.answering(
        "GetQueueUrl",
        400,
        r#"{"__type":"QueueDoesNotExist","message":"none"}"#,
        tables,
    );
    let options = ["--yes", "--environment", "prod", "--name-suffix="];
    assert_failed(
        &deploy(&aws, &options),
        &["'jobs' exists, owned by the stack stagecast-dev"],
    );
    assert_eq!(aws.count("CreateChangeSet"), 1);
    assert_eq!(aws.count("ExecuteChangeSet"), 0);
    assert_eq!(aws.count("DeleteChangeSet"), 1);
}

#[test]
fn missing_rights_to_look_at_names_are_said_and_do_not_stop_a_deployment() {
    let denied = r#"{"__type":"AccessDeniedException","message":"no dynamodb:DescribeTable"}"#;
    let aws = FakeAws::new().answering("DescribeTable", 400, denied, 8);
    let output = deploy(&aws, &["--yes"]);
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("no dynamodb:DescribeTable"), "{said}");
    assert!(said.contains("not every name could be checked"), "{said}");
}

/// `prod` had no suffix once.
#[test]
fn stack_that_was_deployed_without_a_suffix_keeps_its_names() {
    let mut deployed = stack("UPDATE_COMPLETE", SAME);
    deployed.name = "stagecast-prod".to_owned();
    deployed.tags = vec![("Environment".to_owned(), "prod".to_owned())];
    let aws = FakeAws::new().with_stack(Stack {
        parameters: deployed.parameters.clone(),
        ..deployed
    });
    let output = deploy(&aws, &["--yes", "--environment", "prod"]);
    assert!(
        !stderr(&output).contains("-prod (AWS"),
        "{}",
        stderr(&output)
    );
    let made = aws.requests("CreateChangeSet")[0].form();
    assert_eq!(made["Parameters.member.1.ParameterValue"], "");
    let output = run(&aws, &["diff", "--environment", "prod"]);
    assert!(
        !stderr(&output).contains("JobsTable"),
        "{}",
        stderr(&output)
    );
}
