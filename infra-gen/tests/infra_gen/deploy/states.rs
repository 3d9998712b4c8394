//! What is met under the stack's name: somebody else's stack, or ours in an unusual state.

use super::{
    fake::{FakeAws, Stack},
    program::{SAME, assert_failed, deploy, run, stack},
};
use crate::program::stderr;

const STACK: &str = "AWS::CloudFormation::Stack";

#[test]
fn a_name_that_somebody_else_has_is_not_written_over() {
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

#[test]
fn the_stack_of_another_environment_is_not_written_over() {
    let mut other = stack("UPDATE_COMPLETE", SAME);
    other.tags = vec![("Environment".to_owned(), "prod".to_owned())];
    let aws = FakeAws::new().with_stack(other);
    assert_failed(
        &deploy(&aws, &["--yes"]),
        &["is for the environment prod, not dev"],
    );
}

#[test]
fn a_stack_that_cannot_be_updated_is_told_with_its_state_and_the_way_out() {
    for (status, way_out) in [
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
            &["cannot be updated", &state, way_out],
        );
        assert_eq!(aws.count("CreateChangeSet"), 0, "{status}");
    }
}

#[test]
fn a_stack_that_could_not_be_made_is_removed_and_made_again() {
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
fn a_stack_that_only_has_an_old_change_set_is_made() {
    let aws = FakeAws::new().with_stack(Stack {
        name: "stagecast-dev".to_owned(),
        status: "REVIEW_IN_PROGRESS".to_owned(),
        ..Stack::default()
    });
    let output = deploy(&aws, &["--yes"]);
    assert!(output.status.success(), "{}", stderr(&output));
}

/// The deployment of someone else that is at work ends in a state that this one cannot go on from:
/// so it is known to have waited for it.
#[test]
fn what_is_at_work_is_watched_to_its_end() {
    for status in [
        "CREATE_IN_PROGRESS",
        "UPDATE_IN_PROGRESS",
        "UPDATE_ROLLBACK_IN_PROGRESS",
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "ROLLBACK_IN_PROGRESS",
    ] {
        let aws = FakeAws::new()
            .with_stack(stack(status, SAME))
            .ending_in("UPDATE_ROLLBACK_FAILED")
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
            .going_on_with(&[
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

/// What is left of somebody else's attempt looks like what is left of one of ours.
#[test]
fn what_is_left_of_somebody_elses_stack_is_not_removed() {
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
fn ways_out_name_the_stack_and_the_place_that_were_given() {
    let given = [
        "--yes",
        "--stack-name",
        "stagecast-dev",
        "--region",
        "eu-west-1",
    ];
    for (status, way_out) in [
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
        assert_failed(&deploy(&aws, &given), &[way_out]);
    }
}

#[test]
fn a_stack_that_cannot_be_updated_is_told_with_what_cloudformation_says_of_it() {
    let mut stuck = stack("UPDATE_ROLLBACK_FAILED", SAME);
    stuck.reason = "The following resource(s) failed to update: [JobsTable].".to_owned();
    let aws = FakeAws::new().with_stack(stuck);
    assert_failed(
        &deploy(&aws, &["--yes"]),
        &["AWS says: The following resource(s) failed to update: [JobsTable]."],
    );
}

/// `aws cloudformation continue-update-rollback` is an operation of its own, without an update.
#[test]
fn a_rollback_that_goes_on_is_not_taken_for_the_one_that_failed() {
    let aws = FakeAws::new()
        .with_stack(stack("UPDATE_ROLLBACK_IN_PROGRESS", SAME))
        .ending_in("UPDATE_ROLLBACK_COMPLETE")
        .with_events(&[
            ("it", STACK, "UPDATE_IN_PROGRESS", "User Initiated"),
            ("it", STACK, "UPDATE_ROLLBACK_IN_PROGRESS", ""),
            ("JobsTable", "AWS::DynamoDB::Table", "UPDATE_FAILED", ""),
            ("it", STACK, "UPDATE_ROLLBACK_FAILED", ""),
            ("it", STACK, "UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated"),
        ])
        .going_on_with(&[
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

/// It ended between the look at the stack and the look at its events.
#[test]
fn an_end_that_nobody_tells_any_more_is_seen_by_the_stack() {
    let aws = FakeAws::new()
        .with_stack(stack("UPDATE_IN_PROGRESS", SAME))
        .ending_in("UPDATE_COMPLETE")
        .with_events(&[
            ("it", STACK, "UPDATE_IN_PROGRESS", "User Initiated"),
            ("it", STACK, "UPDATE_COMPLETE", ""),
        ]);
    let output = deploy(&aws, &["--yes"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(aws.count("ExecuteChangeSet"), 1);
}

#[test]
fn the_failure_of_what_was_at_work_is_told_before_going_on() {
    let aws = FakeAws::new()
        .with_stack(stack("UPDATE_IN_PROGRESS", SAME))
        .ending_in("UPDATE_ROLLBACK_COMPLETE")
        .with_events(&[("it", STACK, "UPDATE_IN_PROGRESS", "User Initiated")])
        .going_on_with(&[
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
        "what to do: another stack has the name",
        "the stack stagecast-dev is UPDATE_ROLLBACK_COMPLETE: an update failed and was undone",
    ] {
        assert!(said.contains(sentence), "'{sentence}' is not in:\n{said}");
    }
    assert_eq!(aws.count("ExecuteChangeSet"), 1);
}
