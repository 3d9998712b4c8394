//! Deployments: their changes, their messages and their failures.

use super::{
    fake::FakeAws,
    program::{SAME, assert_failed, binaries, deploy, deploy_command, interrupted_at, run, stack},
};
use crate::program::{stderr, stdout};

const STACK: &str = "AWS::CloudFormation::Stack";
const TABLE: &str = "AWS::DynamoDB::Table";

#[test]
fn first_deployment_creates_the_stack_and_prints_urls() {
    let aws = FakeAws::new();
    let output = deploy(&aws, &["--yes"]);
    assert!(output.status.success(), "{}", stderr(&output));

    let made = &aws.requests("CreateChangeSet")[0].form();
    assert_eq!(made["ChangeSetType"], "CREATE");
    assert_eq!(made["Capabilities.member.1"], "CAPABILITY_IAM");
    assert_eq!(made.get("Capabilities.member.2"), None);
    // Each function, and the template, which is too large for the request.
    assert_eq!(
        aws.objects().len(),
        contract::PRODUCT.all_functions().len() + 1
    );
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
    let printed = stdout(&output);
    for part in [
        "https://http.example",
        "wss://live.example/live",
        "curl --data-binary",
    ] {
        assert!(printed.contains(part), "{printed}");
    }
}

#[test]
fn second_deployment_uploads_and_changes_nothing() {
    let aws = FakeAws::new();
    assert!(deploy(&aws, &["--yes"]).status.success());
    let output = deploy(&aws, &["--yes"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("up to date: there are no changes"));
    assert_eq!(
        (aws.count("CreateChangeSet"), aws.count("PutObject")),
        (1, contract::PRODUCT.all_functions().len() + 1)
    );
    assert_eq!(aws.count("CreateBucket"), 1);
}

#[test]
fn template_too_large_for_the_request_is_uploaded() {
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
fn deploy_without_a_terminal_fails_early_and_names_yes() {
    let aws = FakeAws::new();
    let output = deploy(&aws, &[]);
    assert_failed(
        &output,
        &[
            "there is no terminal to ask on",
            "help: give --yes",
            "`infra-gen diff` shows the changes",
        ],
    );
    assert!(!stderr(&output).contains("[y/N]"), "{}", stderr(&output));
    assert_eq!(aws.calls(), [""; 0]);
}

#[test]
fn table_is_replaced_only_with_explicit_consent() {
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

/// CloudFormation would fail during the update: "cannot update a stack when a custom-named resource
/// requires replacing".
#[test]
fn table_that_keeps_its_name_is_not_replaced_with_consent() {
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

/// DynamoDB would refuse it during the update: "Cannot perform more than one GSI creation or deletion in a
/// single update".
#[test]
fn update_that_dynamodb_refuses_is_not_executed() {
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
            "the stack stagecast-dev was not changed",
        ],
    );
    assert_eq!(aws.count("ExecuteChangeSet"), 0);
}

#[test]
fn deploy_warns_of_anonymous_job_creation() {
    let output = deploy(&FakeAws::new(), &["--yes"]);
    let said = stderr(&output);
    let warning = "anyone who knows the URL can create jobs: the environment dev has neither a job_authorizer";
    assert!(said.contains(warning), "{said}");
}

/// The processor that was chosen once stays, like the suffix.
#[test]
fn functions_stay_on_their_deployed_processor() {
    let x86 = ("- arm64", "- x86_64");
    let aws = FakeAws::new().with_stack(stack("UPDATE_COMPLETE", x86));
    let output = run(&aws, &["diff"]);
    let said = stderr(&output);
    assert_eq!(stdout(&output), "", "{said}");
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.contains(
            "the functions stay on x86_64, the processor that they are deployed on; --arm64"
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
fn update_in_place_needs_no_consent() {
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
fn suffix_that_was_given_once_stays() {
    let mut deployed = stack("UPDATE_COMPLETE", SAME);
    deployed.parameters[0].1 = "-alice".to_owned();
    let aws = FakeAws::new().with_stack(deployed);
    deploy(&aws, &["--yes"]);
    let made = aws.requests("CreateChangeSet")[0].form();
    assert_eq!(made["Parameters.member.1.ParameterKey"], "NameSuffix");
    assert_eq!(made["Parameters.member.1.ParameterValue"], "-alice");
}

#[test]
fn named_stack_keeps_its_suffix_without_the_option() {
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
fn template_that_cloudformation_refuses_is_reported() {
    let aws = FakeAws::new().failing("CreateChangeSet", 400, "ValidationError", 1);
    assert_failed(
        &deploy(&aws, &["--yes"]),
        &[
            "cannot create a change set",
            "ValidationError, says the fake",
        ],
    );
}

#[test]
fn failed_change_set_is_reported_and_deleted() {
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

/// CloudFormation validates names before it creates anything, and reports them as events.
#[test]
fn name_taken_during_planning_is_reported_with_advice() {
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
            "help: another stack has a resource with this name",
            "another --name-suffix",
        ],
    );
    assert_eq!(aws.stack_status(), None);
}

#[test]
fn failed_deployment_reports_cause_construct_and_status() {
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
            "error: JobsTable (AWS::DynamoDB::Table) is CREATE_FAILED, construct jobs/Table",
            "AWS says: jobs already exists in stack other",
            "another --name-suffix",
            "the stack stagecast-dev is ROLLBACK_COMPLETE",
            "deploy again; `infra-gen deploy` offers to delete the stack",
        ],
    );
}

/// Ctrl-C after a table was created and before the stack was.
#[test]
fn ctrl_c_reports_the_status_and_the_next_step() {
    let aws = FakeAws::new().with_execution(&[
        ("it", STACK, "CREATE_IN_PROGRESS", "User Initiated"),
        ("JobsTable", TABLE, "CREATE_COMPLETE", ""),
    ]);
    let binaries = binaries();
    let command = deploy_command(&aws, binaries.path(), &["--yes", "--region", "eu-west-1"]);
    // The fake's stack has the status of its last event.
    let said = interrupted_at(command, "CREATE_COMPLETE          JobsTable");
    for sentence in [
        "the stack stagecast-dev is CREATE_IN_PROGRESS: it is being created",
        "`infra-gen deploy --region eu-west-1",
        "follows it to its end",
        "; `infra-gen destroy --region eu-west-1",
    ] {
        assert!(said.contains(sentence), "{said}");
    }
}

#[test]
fn diff_compares_with_the_deployed_stack() {
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

/// A stack whose creation failed has a template, and none of its resources.
#[test]
fn diff_shows_everything_as_new_for_a_stack_without_resources() {
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
        let why = format!("stagecast-dev in eu-central-1 has no resources, it is {status}");
        assert!(said.contains(&(why + ": everything is new")), "{said}");
    }
}

#[test]
fn diff_refuses_a_stack_between_two_states() {
    for (status, help) in [
        (
            "UPDATE_IN_PROGRESS",
            "wait until CloudFormation has finished",
        ),
        ("ROLLBACK_FAILED", "`infra-gen destroy --endpoint-url"),
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"),
    ] {
        let aws = FakeAws::new().with_stack(stack(status, SAME));
        let output = run(&aws, &["diff"]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert_eq!(stdout(&output), "");
        assert!(said.contains(&format!("is {status}: ")), "{said}");
        assert!(said.contains(help), "{said}");
    }
}

#[test]
fn outputs_refuse_a_stack_that_was_not_created() {
    for (status, help) in [
        ("REVIEW_IN_PROGRESS", "`infra-gen deploy --endpoint-url"),
        (
            "CREATE_IN_PROGRESS",
            "wait until CloudFormation has finished",
        ),
        ("ROLLBACK_COMPLETE", "fix the cause, then deploy again"),
    ] {
        let aws = FakeAws::new().with_stack(stack(status, SAME));
        let output = run(&aws, &["outputs", "--json"]);
        let state = format!("has no outputs: it is {status}: it");
        assert_failed(&output, &[&state, help]);
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
