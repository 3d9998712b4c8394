//! What goes wrong while changes are planned or executed, and nobody's change is to blame.

use super::{
    fake::{Event, FakeAws},
    program::{
        Running, SAME, assert_failed, binaries, deploy, deploy_command, run, stack, wait_for_call,
    },
};
use crate::program::stderr;

const STACK: &str = "AWS::CloudFormation::Stack";
const TABLE: &str = "AWS::DynamoDB::Table";
const FUNCTION: &str = "AWS::Lambda::Function";

/// What AWS says of a change set that is executed already.
const EXECUTED: &str = "ChangeSet [arn:aws:cloudformation:eu-central-1:123456789012:changeSet/it/1] \
                        cannot be executed in its current status of [EXECUTE_IN_PROGRESS]";

#[test]
fn an_execution_whose_answer_was_lost_is_followed_as_ours() {
    let aws = FakeAws::new().losing_answer("ExecuteChangeSet", "InvalidChangeSetStatus", EXECUTED);
    let output = deploy(&aws, &["--yes"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(aws.count("DeleteChangeSet"), 0);
}

#[test]
fn a_change_set_that_somebody_else_has_overtaken_is_not_executed() {
    let aws = FakeAws::new().failing("ExecuteChangeSet", 400, "InvalidChangeSetStatus", 1);
    assert_failed(
        &deploy(&aws, &["--yes"]),
        &["cannot be executed any more", "somebody else has changed"],
    );
    assert_eq!(aws.stack_status(), None);
}

#[test]
fn what_a_failed_update_was_about_is_told_and_the_next_one_works() {
    let failed: &[Event] = &[
        ("it", STACK, "UPDATE_IN_PROGRESS", "User Initiated"),
        (
            "JobsFunction",
            FUNCTION,
            "UPDATE_FAILED",
            "Resource handler returned message: \"'MemorySize' value failed to satisfy constraint\"",
        ),
        (
            "JobsTable",
            TABLE,
            "UPDATE_FAILED",
            "Resource update cancelled",
        ),
        (
            "it",
            STACK,
            "UPDATE_ROLLBACK_IN_PROGRESS",
            "The following resource(s) failed to update: [JobsFunction, JobsTable].",
        ),
        ("JobsFunction", FUNCTION, "UPDATE_COMPLETE", ""),
        (
            "it",
            STACK,
            "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
            "",
        ),
        ("it", STACK, "UPDATE_ROLLBACK_COMPLETE", ""),
    ];
    let aws = FakeAws::new()
        .with_stack(stack("UPDATE_COMPLETE", SAME))
        .with_change("JobsFunction", FUNCTION, "Modify", "False")
        .with_execution(failed);
    assert_failed(
        &deploy(&aws, &["--yes"]),
        &[
            "error: JobsFunction (AWS::Lambda::Function) is UPDATE_FAILED",
            "AWS says: Resource handler returned message",
            "the stack stagecast-dev is UPDATE_ROLLBACK_COMPLETE",
            "it works as before",
            "mend the cause, then deploy again",
        ],
    );
    let aws = aws.with_execution(&[
        ("it", STACK, "UPDATE_IN_PROGRESS", "User Initiated"),
        ("it", STACK, "UPDATE_COMPLETE", ""),
    ]);
    let output = deploy(&aws, &["--yes"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(aws.count("ExecuteChangeSet"), 2);
}

#[test]
fn what_a_failed_first_deployment_leaves_is_named() {
    let aws = FakeAws::new().with_execution(&[
        ("it", STACK, "CREATE_IN_PROGRESS", "User Initiated"),
        ("JobsTable", TABLE, "CREATE_COMPLETE", ""),
        ("JobsFunction", FUNCTION, "CREATE_FAILED", "no"),
        ("it", STACK, "ROLLBACK_IN_PROGRESS", ""),
        ("JobsTable", TABLE, "DELETE_SKIPPED", ""),
        ("JobsRole", "AWS::IAM::Role", "DELETE_FAILED", "not yet"),
        ("JobsRole", "AWS::IAM::Role", "DELETE_COMPLETE", ""),
        ("it", STACK, "ROLLBACK_COMPLETE", ""),
    ]);
    assert_failed(
        &deploy(&aws, &["--yes"]),
        &[
            "what is left in the account:\n    JobsTable (AWS::DynamoDB::Table) physical\n  the \
             stack",
        ],
    );
    let executed = &aws.requests("ExecuteChangeSet")[0].form();
    assert_eq!(executed["RetainExceptOnCreate"], "true");
}

const PROTECTED: &str = "Resource handler returned message: \"Resource cannot be deleted as it is \
                         currently protected against deletion. Disable deletion protection \
                         first.\"";

/// How what is protected goes by hand, and what comes after that.
fn by_hand(table: &str, aws: &str) -> String {
    format!(
        "delete the tables that their protection left:\n      \
         aws dynamodb update-table --no-deletion-protection-enabled --table-name {table}{aws}\n      \
         aws dynamodb delete-table --table-name {table}{aws}\n"
    )
}

#[test]
fn tables_that_their_protection_left_are_deleted_before_the_next_attempt() {
    let aws = FakeAws::new().with_execution(&[
        ("it", STACK, "CREATE_IN_PROGRESS", "User Initiated"),
        ("JobsTable", TABLE, "CREATE_COMPLETE", ""),
        ("JobsFunction", FUNCTION, "CREATE_FAILED", "no"),
        ("it", STACK, "ROLLBACK_IN_PROGRESS", ""),
        ("JobsTable", TABLE, "DELETE_FAILED", PROTECTED),
        ("JobsRole", "AWS::IAM::Role", "DELETE_FAILED", "not yet"),
        ("it", STACK, "ROLLBACK_FAILED", ""),
    ]);
    let place = format!(" --region eu-west-1 --endpoint-url {}", aws.url);
    let then = format!("    then `infra-gen destroy --environment prod{place}`, then deploy again");
    let more = ["--yes", "--environment", "prod", "--region", "eu-west-1"];
    let way_on = "how to go on: ".to_owned() + &by_hand("physical", &place) + &then;
    let output = deploy(&aws, &more);
    assert_failed(&output, &["JobsFunction", "is CREATE_FAILED", &way_on]);
    assert!(
        !stderr(&output).contains("--table-name JobsRole"),
        "{}",
        stderr(&output)
    );
}

/// Who has not seen how it failed is told, too: on the next attempt, and when the stack has gone.
#[test]
fn tables_that_their_protection_left_are_told_as_long_as_the_stack_is_there() {
    let retained = ("DeletionPolicy: Delete", "DeletionPolicy: Retain");
    let resources = format!(
        "<ListStackResourcesResponse><ListStackResourcesResult><StackResourceSummaries><member>\
         <LogicalResourceId>JobsTable</LogicalResourceId>\
         <PhysicalResourceId>jobs</PhysicalResourceId><ResourceType>{TABLE}</ResourceType>\
         <ResourceStatus>DELETE_FAILED</ResourceStatus>\
         <ResourceStatusReason>{PROTECTED}</ResourceStatusReason></member>\
         </StackResourceSummaries></ListStackResourcesResult></ListStackResourcesResponse>"
    );
    let aws = FakeAws::new()
        .with_stack(stack("ROLLBACK_FAILED", retained))
        .answering("ListStackResources", 200, &resources, 2);
    let place = format!(" --endpoint-url {}", aws.url);
    let commands = by_hand("jobs", &place);
    let then = format!("what to do: {commands}    then `infra-gen destroy{place}`");
    assert_failed(&deploy(&aws, &["--yes"]), &["it is ROLLBACK_FAILED", &then]);

    let output = run(&aws, &["destroy", "--yes"]);
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    let before = format!("before it is deployed again, {commands}");
    assert!(said.contains(&before), "{said}");
}

/// A deployment that has been started, and of which nothing has been read yet.
fn started(aws: &FakeAws) -> (Running, tempfile::TempDir) {
    let folder = binaries();
    let running = Running::start(deploy_command(aws, folder.path(), &["--yes"]));
    (running, folder)
}

#[test]
fn credentials_that_expire_while_it_is_watched_do_not_end_the_changes() {
    let aws = FakeAws::new().with_execution(&[
        ("it", STACK, "CREATE_IN_PROGRESS", "User Initiated"),
        ("JobsTable", TABLE, "CREATE_COMPLETE", ""),
    ]);
    let (mut running, _folder) = started(&aws);
    running.wait_for("CREATE_COMPLETE          JobsTable");
    let _ = aws
        .clone()
        .failing("DescribeStackEvents", 403, "ExpiredToken", 100);
    let said = running.rest();
    for sentence in [
        "the stack stagecast-dev is being worked on, and that goes on by itself",
        "watches it to its end",
        "sign in again",
    ] {
        assert!(said.contains(sentence), "{said}");
    }
    assert_eq!(aws.count("DeleteChangeSet"), 0);
}

#[test]
fn throttling_while_it_is_watched_is_waited_out() {
    let aws = FakeAws::new().failing("DescribeStackEvents", 400, "Throttling", 2);
    let output = deploy(&aws, &["--yes"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(aws.count("DescribeStackEvents"), 4);
}

#[test]
fn ctrl_c_while_it_is_planned_takes_the_change_set_away() {
    let aws = FakeAws::new().answering(
        "DescribeChangeSet",
        200,
        "<DescribeChangeSetResponse><DescribeChangeSetResult><Status>CREATE_IN_PROGRESS</Status>\
         </DescribeChangeSetResult></DescribeChangeSetResponse>",
        1000,
    );
    let (running, _folder) = started(&aws);
    wait_for_call(&aws, "DescribeChangeSet");
    running.signal("INT");
    let said = running.rest();
    assert!(
        said.contains("interrupted; the stack is as it was"),
        "{said}"
    );
    assert_eq!(aws.count("DeleteChangeSet"), 1);
    assert_eq!(aws.stack_status(), None);
}

#[test]
fn ctrl_c_while_what_is_left_is_removed_does_not_say_that_nothing_has_changed() {
    let aws = FakeAws::new()
        .with_stack(stack("ROLLBACK_COMPLETE", SAME))
        .with_deletion(&[
            ("it", STACK, "DELETE_IN_PROGRESS", "User Initiated"),
            ("JobsTable", TABLE, "DELETE_COMPLETE", ""),
        ]);
    let (mut running, _folder) = started(&aws);
    running.wait_for("DELETE_COMPLETE          JobsTable");
    running.signal("INT");
    let said = running.rest();
    assert!(
        said.contains("the stack stagecast-dev is DELETE_IN_PROGRESS: it is being deleted"),
        "{said}"
    );
    assert!(!said.contains("as it was"), "{said}");
}

#[test]
fn events_that_come_in_pages_are_all_told_in_their_order() {
    let aws = FakeAws::new().with_pages_of(2).with_execution(&[
        ("it", STACK, "CREATE_IN_PROGRESS", "User Initiated"),
        ("JobsTable", TABLE, "CREATE_COMPLETE", ""),
        ("JobsRole", "AWS::IAM::Role", "CREATE_COMPLETE", ""),
        ("JobsFunction", FUNCTION, "CREATE_COMPLETE", ""),
        ("JobsQueue", "AWS::SQS::Queue", "CREATE_COMPLETE", ""),
        ("it", STACK, "CREATE_COMPLETE", ""),
    ]);
    let output = deploy(&aws, &["--yes"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let said = stderr(&output);
    let told: Vec<_> = ["JobsTable", "JobsRole", "JobsFunction", "JobsQueue", "it"]
        .iter()
        .map(|id| said.find(&format!("CREATE_COMPLETE          {id}")))
        .collect();
    assert!(
        told.iter().all(Option::is_some) && told.is_sorted(),
        "{said}"
    );
}
