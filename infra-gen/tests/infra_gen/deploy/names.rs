//! The names of tables and queues: a deployment never takes those of another stack.

use super::{
    fake::{FakeAws, Stack},
    program::{SAME, assert_failed, deploy, run, stack},
};
use crate::program::stderr;

/// An account with the stack of `dev`. The fake has one stack; a second one appears in the tags of its
/// resources only.
fn with_dev() -> FakeAws {
    FakeAws::new()
        .with_stack(stack("UPDATE_COMPLETE", SAME))
        .with_table("jobs", Some("stagecast-dev"))
        .with_table("job_events", Some("stagecast-dev"))
        .with_queue("jobs", Some("stagecast-dev"))
}

#[test]
fn prod_has_other_names_than_dev_by_default() {
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
fn names_of_another_stack_are_refused_before_an_upload() {
    let aws = with_dev();
    let options = ["--yes", "--environment", "prod", "--name-suffix="];
    assert_failed(
        &deploy(&aws, &options),
        &[
            "names that the stack stagecast-prod needs are taken",
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

/// The tables of `prod` remain without their stack, and resources created by hand have none.
#[test]
fn names_without_a_stack_are_refused_with_delete_commands() {
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
fn names_of_the_stacks_own_resources_are_accepted() {
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

/// Another stack was created while the functions were built.
#[test]
fn names_are_checked_again_before_the_execution() {
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
fn deploy_continues_without_permission_to_check_names() {
    let denied = r#"{"__type":"AccessDeniedException","message":"no dynamodb:DescribeTable"}"#;
    let aws = FakeAws::new().answering("DescribeTable", 400, denied, 8);
    let output = deploy(&aws, &["--yes"]);
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("no dynamodb:DescribeTable"), "{said}");
    assert!(said.contains("not every name could be checked"), "{said}");
}

/// Early stacks of `prod` have no suffix.
#[test]
fn stack_deployed_without_a_suffix_keeps_its_names() {
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
