//! What is deployed, what is said of it before, and how it fails.

use super::{
    fake::FakeAws,
    program::{SAME, assert_failed, binaries, deploy, deploy_command, interrupted_at, run, stack},
};
use crate::program::{stderr, stdout};

const STACK: &str = "AWS::CloudFormation::Stack";
const TABLE: &str = "AWS::DynamoDB::Table";

#[test]
fn a_first_deployment_makes_everything_and_ends_with_urls_and_a_command_to_try() {
    let aws = FakeAws::new();
    let output = deploy(&aws, &["--yes"]);
    assert!(output.status.success(), "{}", stderr(&output));

    let made = &aws.requests("CreateChangeSet")[0].form();
    assert_eq!(made["ChangeSetType"], "CREATE");
    assert_eq!(made["Capabilities.member.1"], "CAPABILITY_IAM");
    assert_eq!(made.get("Capabilities.member.2"), None);
    assert_eq!(aws.objects().len(), contract::functions::ALL.len());
    for settings in [
        "publicAccessBlock",
        "encryption",
        "policy",
        "tagging",
        "lifecycle",
    ] {
        assert_eq!(aws.count(&format!("PutBucket:{settings}")), 1, "{settings}");
    }
    assert!(
        stderr(&output).contains("CREATE_COMPLETE"),
        "{}",
        stderr(&output)
    );
    let told = stdout(&output);
    for part in [
        "https://http.example",
        "wss://live.example/live",
        "curl --data-binary",
    ] {
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn a_second_deployment_uploads_nothing_and_asks_for_no_change_set() {
    let aws = FakeAws::new();
    assert!(deploy(&aws, &["--yes"]).status.success());
    let output = deploy(&aws, &["--yes"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("up to date: nothing has changed"));
    assert_eq!(
        (aws.count("CreateChangeSet"), aws.count("PutObject")),
        (1, contract::functions::ALL.len())
    );
    assert_eq!(aws.count("CreateBucket"), 1);
}

#[test]
fn a_template_too_large_for_the_call_goes_through_the_bucket() {
    let aws = FakeAws::new();
    let output = deploy(&aws, &["--yes", "--environment", "prod"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let made = &aws.requests("CreateChangeSet")[0].form();
    assert_eq!(made.get("TemplateBody"), None);
    let url = &made["TemplateURL"];
    assert!(
        aws.objects()
            .iter()
            .any(|key| *url == format!("{}{key}", aws.url)),
        "{url}"
    );
}

#[test]
fn without_a_terminal_deploy_refuses_before_it_begins_and_names_yes() {
    let aws = FakeAws::new();
    let output = deploy(&aws, &[]);
    assert_failed(
        &output,
        &[
            "there is no terminal to ask on",
            "what to do: give --yes",
            "`infra-gen diff` shows what would change",
        ],
    );
    assert!(!stderr(&output).contains("[y/N]"), "{}", stderr(&output));
    assert_eq!(aws.calls(), [""; 0]);
}

#[test]
fn a_table_is_replaced_only_with_an_explicit_yes() {
    let renamed = (
        "TableName: !Sub jobs${NameSuffix}",
        "TableName: !Sub old${NameSuffix}",
    );
    let aws = FakeAws::new()
        .with_stack(stack("UPDATE_COMPLETE", renamed))
        .with_change("JobsTable", TABLE, "Modify", "True")
        .with_execution(&[
            ("it", STACK, "UPDATE_IN_PROGRESS", "User Initiated"),
            ("it", STACK, "UPDATE_COMPLETE", ""),
        ]);
    assert_failed(
        &deploy(&aws, &["--yes"]),
        &[
            "replaced because of TableName",
            "-/+ JobsTable",
            "give --allow-replacement",
        ],
    );
    assert_eq!(aws.count("ExecuteChangeSet"), 0);
    assert_eq!(aws.count("DeleteChangeSet"), 1);

    let output = deploy(&aws, &["--yes", "--allow-replacement"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(aws.count("ExecuteChangeSet"), 1);
}

/// CloudFormation would find out on the way: "cannot update a stack when a custom-named resource
/// requires replacing".
#[test]
fn a_table_that_keeps_its_name_is_not_replaced_even_with_an_explicit_yes() {
    let other_key = (
        "- AttributeName: job_id\n        KeyType: HASH\n      TimeToLive",
        "- AttributeName: old_id\n        KeyType: HASH\n      TimeToLive",
    );
    let aws = FakeAws::new()
        .with_stack(stack("UPDATE_COMPLETE", other_key))
        .with_change("JobsTable", TABLE, "Modify", "True");
    assert_failed(
        &deploy(&aws, &["--yes", "--allow-replacement"]),
        &[
            "cannot replace a resource that keeps its name, and TableName stays",
            "AWS will refuse these changes:\n    -/+ JobsTable (AWS::DynamoDB::Table)",
            "give the resource another name as well",
        ],
    );
    assert_eq!(aws.count("ExecuteChangeSet"), 0);
    assert_eq!(aws.count("DeleteChangeSet"), 1);
}

/// DynamoDB would refuse it on the way: "Cannot perform more than one GSI creation or deletion in a
/// single update".
#[test]
fn update_that_dynamodb_refuses_is_named_and_not_begun() {
    let two_indexes = (
        "    Properties:\n      TableName: !Sub jobs${NameSuffix}\n",
        "    Properties:\n      TableName: !Sub jobs${NameSuffix}\n      GlobalSecondaryIndexes:\n      \
         - IndexName: a\n      - IndexName: b\n",
    );
    let aws = FakeAws::new()
        .with_stack(stack("UPDATE_COMPLETE", two_indexes))
        .with_change("JobsTable", TABLE, "Modify", "False");
    let output = run(&aws, &["diff"]);
    let printed = stdout(&output);
    assert!(
        printed.contains("! refused: DynamoDB creates or deletes one global secondary index"),
        "{printed}"
    );
    assert!(printed.contains("; 1 changes will be refused"), "{printed}");
    assert_failed(
        &deploy(&aws, &["--yes", "--allow-replacement"]),
        &[
            "AWS will refuse these changes:\n    ~ JobsTable",
            "this update deletes a, b",
            "change one index, deploy, then change the next",
            "the stack stagecast-dev is as it was",
        ],
    );
    assert_eq!(aws.count("ExecuteChangeSet"), 0);
}

#[test]
fn anonymous_job_creation_is_said_before_a_deployment() {
    let output = deploy(&FakeAws::new(), &["--yes"]);
    let said = stderr(&output);
    let warning =
        "anyone who knows the URL can create jobs: the environment dev has no job_authorizer";
    assert!(said.contains(warning), "{said}");
}

/// The processor that was chosen once stays, as the suffix does.
#[test]
fn functions_stay_on_the_processor_they_are_deployed_on() {
    let x86 = ("- arm64", "- x86_64");
    let aws = FakeAws::new().with_stack(stack("UPDATE_COMPLETE", x86));
    let output = run(&aws, &["diff"]);
    let said = stderr(&output);
    assert_eq!(stdout(&output), "", "{said}");
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.contains(
            "the functions stay on x86_64, on which they are deployed; --arm64 changes that"
        ),
        "{said}"
    );
    let output = run(&aws, &["diff", "--arm64"]);
    assert!(stdout(&output).contains("arm64"), "{}", stdout(&output));
    let output = run(&aws, &["diff", "--x86-64"]);
    assert_eq!(stdout(&output), "", "{}", stderr(&output));
    // The executables are for the other processor.
    assert_failed(&deploy(&aws, &["--yes"]), &["x86_64"]);
    let output = deploy(&aws, &["--yes", "--arm64"]);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn what_the_change_set_does_not_replace_is_changed_unasked() {
    let other_key = (
        "- AttributeName: job_id\n        KeyType: HASH\n      TimeToLive",
        "- AttributeName: old_id\n        KeyType: HASH\n      TimeToLive",
    );
    let aws = FakeAws::new()
        .with_stack(stack("UPDATE_COMPLETE", other_key))
        .with_change("JobsTable", TABLE, "Modify", "False");
    let output = deploy(&aws, &["--yes"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        !stderr(&output).contains("replaced causes"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_suffix_that_was_given_once_stays() {
    let mut deployed = stack("UPDATE_COMPLETE", SAME);
    deployed.parameters[0].1 = "-alice".to_owned();
    let aws = FakeAws::new().with_stack(deployed);
    deploy(&aws, &["--yes"]);
    let made = aws.requests("CreateChangeSet")[0].form();
    assert_eq!(made["Parameters.member.1.ParameterKey"], "NameSuffix");
    assert_eq!(made["Parameters.member.1.ParameterValue"], "-alice");
}

#[test]
fn a_stack_with_a_name_and_a_suffix_of_its_own_is_found_unchanged_without_the_suffix() {
    let aws = FakeAws::new();
    let named = ["--yes", "--stack-name", "team-a"];
    let output = deploy(&aws, &[&named[..], &["--name-suffix=-a"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let made = aws.requests("CreateChangeSet")[0].form();
    assert_eq!(made["Parameters.member.1.ParameterValue"], "-a");

    let output = deploy(&aws, &named);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("team-a is up to date"),
        "{}",
        stderr(&output)
    );
    let output = run(&aws, &["diff", "--stack-name", "team-a"]);
    assert_eq!(stdout(&output), "", "{}", stderr(&output));
    assert_eq!(aws.count("CreateChangeSet"), 1);
}

#[test]
fn a_template_that_cloudformation_refuses_is_told_with_its_words() {
    let aws = FakeAws::new().failing("CreateChangeSet", 400, "ValidationError", 1);
    assert_failed(
        &deploy(&aws, &["--yes"]),
        &["cannot make a change set", "ValidationError, says the fake"],
    );
}

#[test]
fn a_change_set_that_fails_is_told_with_its_reason_and_taken_away() {
    let aws = FakeAws::new().answering(
        "DescribeChangeSet",
        200,
        "<DescribeChangeSetResponse><DescribeChangeSetResult><Status>FAILED</Status>\
         <StatusReason>Circular dependency</StatusReason></DescribeChangeSetResult>\
         </DescribeChangeSetResponse>",
        1,
    );
    assert_failed(
        &deploy(&aws, &["--yes"]),
        &["AWS answers: Circular dependency"],
    );
    assert_eq!(aws.stack_status(), None);
}

/// CloudFormation looks for names before it makes anything, and has the answer among its events.
#[test]
fn a_name_that_is_found_taken_while_the_change_set_is_made_is_no_dead_end() {
    let aws = FakeAws::new()
        .answering(
            "DescribeChangeSet",
            200,
            "<DescribeChangeSetResponse><DescribeChangeSetResult><Status>FAILED</Status>\
             <StatusReason>The following hook(s)/validation failed: \
             [AWS::EarlyValidation::ResourceExistenceCheck].</StatusReason>\
             </DescribeChangeSetResult></DescribeChangeSetResponse>",
            1,
        )
        .answering(
            "DescribeEvents",
            200,
            "<DescribeEventsResponse><DescribeEventsResult><OperationEvents><member>\
             <LogicalResourceId>JobsTable</LogicalResourceId>\
             <ResourceType>AWS::DynamoDB::Table</ResourceType>\
             <ValidationStatusReason>Resource of type 'AWS::DynamoDB::Table' with identifier \
             'jobs' already exists.</ValidationStatusReason></member></OperationEvents>\
             </DescribeEventsResult></DescribeEventsResponse>",
            1,
        );
    assert_failed(
        &deploy(&aws, &["--yes"]),
        &[
            "ResourceExistenceCheck",
            "with identifier 'jobs' already exists",
            "what to do: another stack has the name",
            "names of its own with --name-suffix",
        ],
    );
    assert_eq!(aws.stack_status(), None);
}

#[test]
fn a_failure_ends_with_its_first_cause_the_construct_and_the_state_of_the_stack() {
    let aws = FakeAws::new().with_execution(&[
        ("it", STACK, "CREATE_IN_PROGRESS", "User Initiated"),
        (
            "JobsQueue",
            "AWS::SQS::Queue",
            "CREATE_FAILED",
            "Resource creation cancelled",
        ),
        (
            "JobsTable",
            TABLE,
            "CREATE_FAILED",
            "jobs already exists in stack other",
        ),
        (
            "it",
            STACK,
            "ROLLBACK_IN_PROGRESS",
            "The following resource(s) failed: [JobsTable]",
        ),
        ("it", STACK, "ROLLBACK_COMPLETE", ""),
    ]);
    let output = deploy(&aws, &["--yes"]);
    assert_failed(
        &output,
        &[
            "error: JobsTable (AWS::DynamoDB::Table) is CREATE_FAILED, the construct jobs/Table",
            "AWS says: jobs already exists in stack other",
            "names of its own with --name-suffix",
            "the stack stagecast-dev is ROLLBACK_COMPLETE",
            "deploy again; it offers to remove the stack",
        ],
    );
}

/// Ctrl-C, once a table has been made and the stack has not.
#[test]
fn ctrl_c_leaves_the_stack_in_a_named_state_and_says_how_to_go_on() {
    let aws = FakeAws::new().with_execution(&[
        ("it", STACK, "CREATE_IN_PROGRESS", "User Initiated"),
        ("JobsTable", TABLE, "CREATE_COMPLETE", ""),
    ]);
    let binaries = binaries();
    let command = deploy_command(&aws, binaries.path(), &["--yes", "--region", "eu-west-1"]);
    // What the fake says of the stack is what its last event about it says.
    let said = interrupted_at(command, "CREATE_COMPLETE          JobsTable");
    for sentence in [
        "the stack stagecast-dev is CREATE_IN_PROGRESS: it is being made",
        "`infra-gen deploy --region eu-west-1",
        "watches it to its end",
        "; `infra-gen destroy --region eu-west-1",
    ] {
        assert!(said.contains(sentence), "{said}");
    }
}

#[test]
fn diff_compares_with_what_is_deployed_and_exits_as_diff_does() {
    let aws = FakeAws::new().with_stack(stack("UPDATE_COMPLETE", SAME));
    let output = run(&aws, &["diff"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), "");

    let smaller = ("MemorySize: 1769", "MemorySize: 512");
    let aws = FakeAws::new().with_stack(stack("UPDATE_COMPLETE", smaller));
    let output = run(&aws, &["diff"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(
        stdout(&output).contains("~ MemorySize: 512 -> 1769"),
        "{}",
        stdout(&output)
    );

    let output = run(&FakeAws::new(), &["diff"]);
    assert!(
        stderr(&output).contains("there is no stack stagecast-dev"),
        "{}",
        stderr(&output)
    );
    assert!(
        stdout(&output).contains("+ JobsTable"),
        "{}",
        stdout(&output)
    );
}

/// What could not be made has a template, and nothing of what is in it.
#[test]
fn to_diff_all_is_new_in_a_stack_that_could_not_be_made() {
    for status in ["ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"] {
        let aws = FakeAws::new().with_stack(stack(status, SAME));
        let output = run(&aws, &["diff"]);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(
            stdout(&output).contains("+ JobsTable"),
            "{}",
            stdout(&output)
        );
        let said = stderr(&output);
        let why = format!("nothing in the stack stagecast-dev in eu-central-1, which is {status}");
        assert!(said.contains(&(why + ": all is new")), "{said}");
    }
}

#[test]
fn diff_compares_with_nothing_that_is_in_between() {
    for (status, way_out) in [
        ("UPDATE_IN_PROGRESS", "wait until CloudFormation is done"),
        ("ROLLBACK_FAILED", "`infra-gen destroy --endpoint-url"),
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"),
    ] {
        let aws = FakeAws::new().with_stack(stack(status, SAME));
        let output = run(&aws, &["diff"]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert_eq!(stdout(&output), "");
        assert!(said.contains(&format!("is {status}: ")), "{said}");
        assert!(said.contains(way_out), "{said}");
    }
}

#[test]
fn a_stack_that_tells_nothing_because_it_is_not_made_says_so() {
    for (status, way_out) in [
        ("REVIEW_IN_PROGRESS", "`infra-gen deploy --endpoint-url"),
        ("CREATE_IN_PROGRESS", "wait until CloudFormation is done"),
        ("ROLLBACK_COMPLETE", "mend the cause, then deploy again"),
    ] {
        let aws = FakeAws::new().with_stack(stack(status, SAME));
        let output = run(&aws, &["outputs", "--json"]);
        let state = format!("tells nothing: it is {status}: it ");
        assert_failed(&output, &[&state, way_out]);
        assert_eq!(stdout(&output), "");
    }
}

#[test]
fn outputs_are_a_table_or_json() {
    let aws = FakeAws::new().with_stack(stack("UPDATE_COMPLETE", SAME));
    let printed = stdout(&run(&aws, &["outputs"]));
    assert!(
        printed.contains("HttpApiUrl    https://http.example"),
        "{printed}"
    );
    let printed = stdout(&run(&aws, &["outputs", "--json"]));
    let json: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!(json["WebSocketUrl"], "wss://live.example/live");
}
