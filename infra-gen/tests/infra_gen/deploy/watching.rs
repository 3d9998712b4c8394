//! Failures while changes are planned or executed.

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

/// AWS's message for a change set that is being executed.
const EXECUTED: &str = "ChangeSet [arn:aws:cloudformation:eu-central-1:123456789012:changeSet/it/1] \
                        cannot be executed in its current status of [EXECUTE_IN_PROGRESS]";

#[test]
fn execution_with_a_lost_answer_is_followed() {
    let aws = FakeAws::new().losing_answer("ExecuteChangeSet", "InvalidChangeSetStatus", EXECUTED);
    let output = deploy(&aws, &["--yes"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(aws.count("DeleteChangeSet"), 0);
}

#[test]
fn obsolete_change_set_is_not_executed() {
    let aws = FakeAws::new().failing("ExecuteChangeSet", 400, "InvalidChangeSetStatus", 1);
    assert_failed(
        &deploy(&aws, &["--yes"]),
        &["can no longer be executed", "another user changed"],
    );
    assert_eq!(aws.stack_status(), None);
}

#[test]
fn failed_update_is_reported_and_the_next_one_works() {
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
            "fix the cause, then run `infra-gen deploy",
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
fn failed_creation_lists_remaining_resources() {
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
            "these remain in the account:\n    JobsTable (AWS::DynamoDB::Table) physical\n  the \
             stack",
        ],
    );
    let executed = &aws.requests("ExecuteChangeSet")[0].form();
    assert_eq!(executed["RetainExceptOnCreate"], "true");
}

const PROTECTED: &str = "Resource handler returned message: \"Resource cannot be deleted as it is \
                         currently protected against deletion. Disable deletion protection \
                         first.\"";

/// The commands that delete a protected table.
fn by_hand(table: &str, aws: &str) -> String {
    format!(
        "delete the tables that remain because they are protected:\n      \
         aws dynamodb update-table --no-deletion-protection-enabled --table-name {table}{aws}\n      \
         aws dynamodb delete-table --table-name {table}{aws}\n"
    )
}

#[test]
fn failed_creation_prints_how_to_delete_protected_tables() {
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
    let help = "help: ".to_owned() + &by_hand("physical", &place) + &then;
    let output = deploy(&aws, &more);
    assert_failed(&output, &["JobsFunction", "is CREATE_FAILED", &help]);
    assert!(
        !stderr(&output).contains("--table-name JobsRole"),
        "{}",
        stderr(&output)
    );
}

/// The commands appear again in the next deployment, and after the deletion of the stack.
#[test]
fn protected_tables_are_reported_until_the_stack_is_deleted() {
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
    let then = format!("help: {commands}    then `infra-gen destroy{place}`");
    assert_failed(&deploy(&aws, &["--yes"]), &["it is ROLLBACK_FAILED", &then]);

    let output = run(&aws, &["destroy", "--yes"]);
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    let before = format!("before the next deployment, {commands}");
    assert!(said.contains(&before), "{said}");
}

/// Starts a deployment and reads none of its output.
fn started(aws: &FakeAws) -> (Running, tempfile::TempDir) {
    let folder = binaries();
    let running = Running::start(deploy_command(aws, folder.path(), &["--yes"]));
    (running, folder)
}

#[test]
fn expired_credentials_do_not_end_an_execution() {
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
        "CloudFormation continues to work on the stack stagecast-dev",
        "follows the operation to its end",
        "sign in again",
    ] {
        assert!(said.contains(sentence), "{said}");
    }
    assert_eq!(aws.count("DeleteChangeSet"), 0);
}

#[test]
fn throttled_event_requests_are_retried() {
    let aws = FakeAws::new().failing("DescribeStackEvents", 400, "Throttling", 2);
    let output = deploy(&aws, &["--yes"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(aws.count("DescribeStackEvents"), 4);
}

#[test]
fn ctrl_c_during_planning_deletes_the_change_set() {
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
        said.contains("interrupted; the stack was not changed"),
        "{said}"
    );
    assert_eq!(aws.count("DeleteChangeSet"), 1);
    assert_eq!(aws.stack_status(), None);
}

#[test]
fn ctrl_c_during_a_deletion_reports_its_status() {
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
    assert!(!said.contains("not changed"), "{said}");
}

#[test]
fn events_in_several_pages_are_printed_in_order() {
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
    let positions: Vec<_> = ["JobsTable", "JobsRole", "JobsFunction", "JobsQueue", "it"]
        .iter()
        .map(|id| said.find(&format!("CREATE_COMPLETE          {id}")))
        .collect();
    assert!(
        positions.iter().all(Option::is_some) && positions.is_sorted(),
        "{said}"
    );
}
