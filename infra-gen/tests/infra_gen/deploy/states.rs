//! Stacks that exist under the name: those of others, and our own in an unusual status.

use super::{
    fake::{FakeAws, Stack},
    program::{SAME, assert_failed, deploy, run, stack},
};
use crate::program::stderr;

const STACK: &str = "AWS::CloudFormation::Stack";

#[test]
fn deploy_refuses_the_stack_of_another_application() {
    let aws = FakeAws::new().with_stack(Stack {
        name: "stagecast-dev".to_owned(),
        status: "UPDATE_COMPLETE".to_owned(),
        description: "A shop".to_owned(),
        ..Stack::default()
    });
    assert_failed(
        &deploy(&aws, &["--yes"]),
        &[
            "the name stagecast-dev is taken",
            "A shop",
            "another name with --stack-name",
        ],
    );
    assert_eq!(aws.count("CreateChangeSet"), 0);
}

/// A stack that the SAM CLI deployed has no tags, only the description of its template.
#[test]
fn deploy_recognizes_an_untagged_stack_of_the_first_version() {
    let mut first = stack("UPDATE_COMPLETE", SAME);
    first.description = "Stagecast: tells who waits for a job how far it is, live".to_owned();
    let aws = FakeAws::new().with_stack(first);
    let output = deploy(&aws, &["--yes"]);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn deploy_refuses_the_stack_of_another_environment() {
    let mut other = stack("UPDATE_COMPLETE", SAME);
    other.tags = vec![("Environment".to_owned(), "prod".to_owned())];
    let aws = FakeAws::new().with_stack(other);
    assert_failed(
        &deploy(&aws, &["--yes"]),
        &["by a stack of the environment prod, not dev"],
    );
}

#[test]
fn stack_that_cannot_be_updated_is_reported_with_help() {
    for (status, help) in [
        ("ROLLBACK_FAILED", "`infra-gen destroy --endpoint-url"),
        ("CREATE_FAILED", "`infra-gen destroy --endpoint-url"),
        ("DELETE_FAILED", "`infra-gen destroy --endpoint-url"),
        (
            "UPDATE_ROLLBACK_FAILED",
            "aws cloudformation continue-update-rollback",
        ),
        ("UPDATE_FAILED", "aws cloudformation rollback-stack"),
        ("IMPORT_ROLLBACK_FAILED", "import again"),
    ] {
        let aws = FakeAws::new().with_stack(stack(status, SAME));
        let state = format!("it is {status}");
        assert_failed(
            &deploy(&aws, &["--yes"]),
            &["cannot be updated", &state, help],
        );
        assert_eq!(aws.count("CreateChangeSet"), 0, "{status}");
    }
}

#[test]
fn rolled_back_stack_is_deleted_and_created_again() {
    let failed = || FakeAws::new().with_stack(stack("ROLLBACK_COMPLETE", SAME));
    let aws = failed();
    let output = deploy(&aws, &["--yes"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(aws.count("DeleteStack"), 1);
    assert_eq!(
        aws.requests("CreateChangeSet")[0].form()["ChangeSetType"],
        "CREATE"
    );
}

#[test]
fn stack_with_only_an_old_change_set_is_created() {
    let aws = FakeAws::new().with_stack(Stack {
        name: "stagecast-dev".to_owned(),
        status: "REVIEW_IN_PROGRESS".to_owned(),
        ..Stack::default()
    });
    let output = deploy(&aws, &["--yes"]);
    assert!(output.status.success(), "{}", stderr(&output));
}

/// The operation in progress ends in a status that does not allow a deployment, which proves that the
/// deployment waited for it.
#[test]
fn operation_in_progress_is_followed_to_its_end() {
    for status in [
        "CREATE_IN_PROGRESS",
        "UPDATE_IN_PROGRESS",
        "UPDATE_ROLLBACK_IN_PROGRESS",
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "ROLLBACK_IN_PROGRESS",
    ] {
        let aws = FakeAws::new()
            .with_stack(stack(status, SAME))
            .with_final_status("UPDATE_ROLLBACK_FAILED")
            .with_events(&[
                (
                    "JobsTable",
                    "AWS::DynamoDB::Table",
                    "DELETE_COMPLETE",
                    "long ago",
                ),
                ("it", STACK, "UPDATE_COMPLETE", ""),
                ("it", STACK, "UPDATE_IN_PROGRESS", "User Initiated"),
            ])
            .with_later_events(&[
                ("JobsQueue", "AWS::SQS::Queue", "UPDATE_COMPLETE", ""),
                ("it", STACK, "UPDATE_ROLLBACK_FAILED", ""),
            ]);
        let output = deploy(&aws, &["--yes"]);
        let waits = format!("stagecast-dev is {status}");
        assert_failed(
            &output,
            &[&waits, "waiting", "JobsQueue", "is UPDATE_ROLLBACK_FAILED"],
        );
        assert!(
            !stderr(&output).contains("JobsTable"),
            "{}",
            stderr(&output)
        );
    }
}

/// A failed stack of another application looks like a failed one of ours.
#[test]
fn rolled_back_stack_of_another_application_is_kept() {
    let theirs = || {
        FakeAws::new().with_stack(Stack {
            name: "stagecast-dev".to_owned(),
            status: "ROLLBACK_COMPLETE".to_owned(),
            description: "A shop".to_owned(),
            ..Stack::default()
        })
    };
    for arguments in [["deploy", "--yes"], ["destroy", "--yes"]] {
        let aws = theirs();
        let output = match arguments[0] {
            "deploy" => deploy(&aws, &["--yes"]),
            _ => run(&aws, &arguments),
        };
        assert_failed(&output, &["the name stagecast-dev is taken", "A shop"]);
        assert_eq!(aws.count("DeleteStack"), 0, "{arguments:?}");
    }
}

#[test]
fn help_repeats_the_options_that_select_the_stack() {
    let given = [
        "--yes",
        "--stack-name",
        "stagecast-dev",
        "--region",
        "eu-west-1",
    ];
    for (status, help) in [
        (
            "ROLLBACK_FAILED",
            "`infra-gen destroy --stack-name stagecast-dev --region eu-west-1 --endpoint-url",
        ),
        (
            "UPDATE_FAILED",
            "rollback-stack --stack-name stagecast-dev --region eu-west-1 --endpoint-url",
        ),
    ] {
        let aws = FakeAws::new().with_stack(stack(status, SAME));
        assert_failed(&deploy(&aws, &given), &[help]);
    }
}

#[test]
fn stack_that_cannot_be_updated_is_reported_with_its_reason() {
    let mut stuck = stack("UPDATE_ROLLBACK_FAILED", SAME);
    stuck.reason = "The following resource(s) failed to update: [JobsTable].".to_owned();
    let aws = FakeAws::new().with_stack(stuck);
    assert_failed(
        &deploy(&aws, &["--yes"]),
        &["AWS says: The following resource(s) failed to update: [JobsTable]."],
    );
}

/// `aws cloudformation continue-update-rollback` is a separate operation, without an update.
#[test]
fn continued_rollback_is_distinguished_from_the_failed_one() {
    let aws = FakeAws::new()
        .with_stack(stack("UPDATE_ROLLBACK_IN_PROGRESS", SAME))
        .with_final_status("UPDATE_ROLLBACK_COMPLETE")
        .with_events(&[
            ("it", STACK, "UPDATE_IN_PROGRESS", "User Initiated"),
            ("it", STACK, "UPDATE_ROLLBACK_IN_PROGRESS", ""),
            ("JobsTable", "AWS::DynamoDB::Table", "UPDATE_FAILED", ""),
            ("it", STACK, "UPDATE_ROLLBACK_FAILED", ""),
            ("it", STACK, "UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated"),
        ])
        .with_later_events(&[
            ("JobsQueue", "AWS::SQS::Queue", "UPDATE_COMPLETE", ""),
            ("it", STACK, "UPDATE_ROLLBACK_COMPLETE", ""),
        ]);
    let output = deploy(&aws, &["--yes"]);
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("UPDATE_COMPLETE          JobsQueue"),
        "{said}"
    );
    assert!(!said.contains("UPDATE_FAILED"), "{said}");
}

/// The operation ends between the requests for the stack and for its events.
#[test]
fn operation_without_further_events_ends_by_the_status() {
    let aws = FakeAws::new()
        .with_stack(stack("UPDATE_IN_PROGRESS", SAME))
        .with_final_status("UPDATE_COMPLETE")
        .with_events(&[
            ("it", STACK, "UPDATE_IN_PROGRESS", "User Initiated"),
            ("it", STACK, "UPDATE_COMPLETE", ""),
        ]);
    let output = deploy(&aws, &["--yes"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(aws.count("ExecuteChangeSet"), 1);
}

#[test]
fn failure_of_an_earlier_operation_is_reported_as_a_warning() {
    let aws = FakeAws::new()
        .with_stack(stack("UPDATE_IN_PROGRESS", SAME))
        .with_final_status("UPDATE_ROLLBACK_COMPLETE")
        .with_events(&[("it", STACK, "UPDATE_IN_PROGRESS", "User Initiated")])
        .with_later_events(&[
            (
                "JobsQueue",
                "AWS::SQS::Queue",
                "UPDATE_FAILED",
                "jobs already exists",
            ),
            ("it", STACK, "UPDATE_ROLLBACK_IN_PROGRESS", ""),
            ("it", STACK, "UPDATE_ROLLBACK_COMPLETE", ""),
        ]);
    let output = deploy(&aws, &["--yes"]);
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    for sentence in [
        "! JobsQueue (AWS::SQS::Queue) is UPDATE_FAILED\n  AWS says: jobs already exists",
        "help: another stack has a resource with this name",
        "the stack stagecast-dev is UPDATE_ROLLBACK_COMPLETE: an update failed and was rolled back",
    ] {
        assert!(said.contains(sentence), "'{sentence}' is not in:\n{said}");
    }
    assert_eq!(aws.count("ExecuteChangeSet"), 1);
}
