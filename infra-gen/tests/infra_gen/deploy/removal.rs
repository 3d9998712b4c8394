//! `infra-gen destroy`.

use std::{thread, time::Duration};

use super::{
    fake::{Event, FakeAws},
    program::{Running, SAME, assert_failed, command, run, stack},
};
use crate::program::stderr;

const STACK: &str = "AWS::CloudFormation::Stack";

#[test]
fn destroy_asks_lists_resources_and_empties_buckets() {
    let aws = FakeAws::new().with_stack(stack("UPDATE_COMPLETE", SAME));
    aws.add_object("input.png");
    let output = run(&aws, &["destroy"]);
    assert_failed(
        &output,
        &[
            "JobsTable (AWS::DynamoDB::Table) jobs",
            "there is no terminal to ask on",
            "give --yes",
        ],
    );
    assert!(
        !stderr(&output).contains("Type the name"),
        "{}",
        stderr(&output)
    );
    assert_eq!((aws.count("DeleteStack"), aws.objects().len()), (0, 1));

    let output = run(&aws, &["destroy", "--yes"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("stagecast-dev is deleted"),
        "{}",
        stderr(&output)
    );
    for remaining in [
        "the bucket earlier, with the functions' packages",
        "the stack stagecast-api-gateway-logging",
    ] {
        assert!(stderr(&output).contains(remaining), "{}", stderr(&output));
    }
    assert_eq!(aws.objects(), [""; 0]);
    assert_eq!(aws.stack_status(), None);
}

#[test]
fn destroy_lists_retained_resources_and_keeps_objects() {
    let kept = ("DeletionPolicy: Delete", "DeletionPolicy: Retain");
    let aws = FakeAws::new().with_stack(stack("UPDATE_COMPLETE", kept));
    aws.add_object("input.png");
    let output = run(&aws, &["destroy", "--yes"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("these remain:\n    JobsTable (AWS::DynamoDB::Table) jobs"),
        "{}",
        stderr(&output)
    );
    assert_eq!(aws.objects(), ["input.png"]);
}

#[test]
fn destroy_of_a_missing_stack_succeeds() {
    let output = run(&FakeAws::new(), &["destroy", "--yes"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("there is no stack stagecast-dev in eu-central-1"));
}

#[test]
fn failed_deletion_is_reported_with_its_cause() {
    let aws = FakeAws::new()
        .with_stack(stack("UPDATE_COMPLETE", SAME))
        .with_deletion(&[
            ("it", STACK, "DELETE_IN_PROGRESS", "User Initiated"),
            (
                "JobsTable",
                "AWS::DynamoDB::Table",
                "DELETE_FAILED",
                "Resource handler returned message: \"Resource cannot be deleted as it is currently \
                 protected against deletion. Disable deletion protection first. (Service: DynamoDb, \
                 Status Code: 400)\"",
            ),
            (
                "it",
                STACK,
                "DELETE_FAILED",
                "The following resource(s) failed to delete",
            ),
        ]);
    assert_failed(
        &run(&aws, &["destroy", "--yes"]),
        &[
            "JobsTable (AWS::DynamoDB::Table) is DELETE_FAILED",
            "disable the protection first",
            "is DELETE_FAILED",
            "help: disable the tables' deletion protection:\n      aws dynamodb update-table \
             --no-deletion-protection-enabled --table-name physical --endpoint-url",
            "then `infra-gen destroy --endpoint-url",
        ],
    );
}

#[test]
fn destroy_refuses_a_stack_with_termination_protection() {
    let mut protected = stack("UPDATE_COMPLETE", SAME);
    protected.termination_protection = true;
    let aws = FakeAws::new().with_stack(protected);
    assert_failed(
        &run(&aws, &["destroy", "--yes"]),
        &["--no-enable-termination-protection"],
    );
    assert_eq!(aws.count("DeleteStack"), 0);
}

#[test]
fn destroy_refuses_the_stack_of_another_environment() {
    let mut other = stack("UPDATE_COMPLETE", SAME);
    other.tags = vec![("Environment".to_owned(), "prod".to_owned())];
    let aws = FakeAws::new().with_stack(other);
    assert_failed(
        &run(&aws, &["destroy", "--yes"]),
        &["by a stack of the environment prod, not dev"],
    );
    assert_eq!(aws.count("DeleteStack"), 0);
}

#[test]
fn destroy_follows_a_deletion_in_progress_without_asking() {
    let aws = FakeAws::new()
        .with_stack(stack("DELETE_IN_PROGRESS", SAME))
        .with_events(&[
            ("it", STACK, "UPDATE_COMPLETE", ""),
            ("it", STACK, "DELETE_IN_PROGRESS", "User Initiated"),
        ])
        .with_later_events(&[
            ("JobsTable", "AWS::DynamoDB::Table", "DELETE_COMPLETE", ""),
            ("it", STACK, "DELETE_COMPLETE", ""),
        ]);
    let output = run(&aws, &["destroy"]);
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("DELETE_COMPLETE          JobsTable"),
        "{said}"
    );
    assert_eq!(aws.count("DeleteStack"), 0);
}

const UNFINISHED: [Event; 2] = [
    ("it", STACK, "DELETE_IN_PROGRESS", "User Initiated"),
    ("JobsTable", "AWS::DynamoDB::Table", "DELETE_COMPLETE", ""),
];

fn destroying(aws: &FakeAws) -> Running {
    let arguments = ["destroy", "--yes", "--endpoint-url", &aws.url];
    let mut running = Running::start(command(&arguments));
    running.wait_for("DELETE_COMPLETE          JobsTable");
    running
}

#[test]
fn interrupted_destroy_reports_an_unknown_status() {
    let aws = FakeAws::new()
        .with_stack(stack("UPDATE_COMPLETE", SAME))
        .with_deletion(&UNFINISHED);
    let running = destroying(&aws);
    let expired = aws
        .clone()
        .failing("DescribeStacks", 403, "ExpiredToken", 100);
    running.signal("INT");
    let said = running.rest();
    assert!(
        said.contains("the status of the stack cannot be read"),
        "{said}"
    );
    assert!(said.contains("sign in again"), "{said}");
    assert!(!said.contains("deleted"), "{said}");
    assert_eq!(expired.count("DeleteStack"), 1);
}

#[test]
fn second_ctrl_c_ends_the_wait_of_the_first() {
    let aws = FakeAws::new()
        .with_stack(stack("UPDATE_COMPLETE", SAME))
        .with_deletion(&UNFINISHED);
    let running = destroying(&aws);
    let before = aws.count("DescribeStacks");
    aws.silent_on("DescribeStacks");
    running.signal("INT");
    while aws.count("DescribeStacks") == before {
        thread::sleep(Duration::from_millis(10));
    }
    running.signal("INT");
    let said = running.rest();
    assert!(said.contains("interrupted again"), "{said}");
}

#[test]
fn destroy_refuses_a_stack_that_is_being_updated() {
    let aws = FakeAws::new().with_stack(stack("UPDATE_IN_PROGRESS", SAME));
    assert_failed(
        &run(&aws, &["destroy", "--yes"]),
        &["UPDATE_IN_PROGRESS: it is being updated"],
    );
    assert_eq!(aws.count("DeleteStack"), 0);
}

#[test]
fn destroy_deletes_a_stack_that_is_being_created() {
    let aws = FakeAws::new().with_stack(stack("CREATE_IN_PROGRESS", SAME));
    let output = run(&aws, &["destroy", "--yes"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(aws.count("DeleteStack"), 1);
    assert_eq!(aws.stack_status(), None);
}

/// The creation ends between the request for the status and the deletion.
#[test]
fn end_of_a_creation_is_not_taken_for_the_deletion() {
    let aws = FakeAws::new()
        .with_stack(stack("CREATE_IN_PROGRESS", SAME))
        .with_deletion(&[
            ("it", STACK, "CREATE_COMPLETE", ""),
            ("it", STACK, "DELETE_IN_PROGRESS", "User Initiated"),
            ("JobsTable", "AWS::DynamoDB::Table", "DELETE_FAILED", "no"),
            ("it", STACK, "DELETE_FAILED", ""),
        ]);
    let output = run(&aws, &["destroy", "--yes"]);
    assert_failed(
        &output,
        &["JobsTable", "is DELETE_FAILED: some of its resources"],
    );
    assert!(
        !stderr(&output).contains("is deleted"),
        "{}",
        stderr(&output)
    );
}
