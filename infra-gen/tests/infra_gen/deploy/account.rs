//! What can be wrong with the account, before anything is done in it.

use std::{
    fs,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::{
    fake::{ACCOUNT, FakeAws, Stack},
    program::{
        SAME, assert_failed, binaries, command, deploy, deploy_command, interrupted_at, run, stack,
    },
};
use crate::program::stderr;

#[test]
fn without_credentials_it_is_said_how_to_get_some() {
    let aws = FakeAws::new();
    let output = command(&["outputs", "--endpoint-url", &aws.url])
        .env_remove("AWS_ACCESS_KEY_ID")
        .output()
        .expect("infra-gen starts");
    assert_failed(
        &output,
        &[
            "cannot look at the stack stagecast-dev",
            "no credentials were found in AWS_ACCESS_KEY_ID",
            "the profile 'default' of /nowhere and /nowhere",
            "what to do: give credentials",
            "aws sso login",
        ],
    );
    let said = stderr(&output);
    assert!(
        !said.contains("IMDS") && !said.contains("not enabled"),
        "{said}"
    );
    assert_eq!(aws.calls(), [""; 0]);
}

/// A connection that is closed without an answer, as one to a port that nothing listens on.
#[test]
fn address_at_which_nothing_answers_is_named_after_two_attempts() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            drop(stream);
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    let output = command(&["outputs", "--endpoint-url", &url])
        .output()
        .expect("infra-gen starts");
    assert_failed(
        &output,
        &[
            &format!("cannot look at the stack stagecast-dev at {url}"),
            "what to do: see that the region exists",
        ],
    );
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

/// What `cargo dev` answers a service that it does not have.
#[test]
fn endpoint_without_cloudformation_is_said_to_be_cargo_devs() {
    for verb in ["outputs", "diff"] {
        let aws = FakeAws::new().answering("DescribeStacks", 501, "", 9);
        let output = run(&aws, &[verb]);
        let said = stderr(&output);
        assert!(!output.status.success(), "{said}");
        assert!(
            said.contains("HTTP 501: this endpoint does not have the service"),
            "{said}"
        );
        assert!(
            said.contains("`cargo dev --json` prints its URLs"),
            "{said}"
        );
    }
}

#[test]
fn expired_credentials_are_told_from_wrong_ones() {
    let aws = FakeAws::new().failing("GetCallerIdentity", 403, "ExpiredToken", 1);
    assert_failed(
        &deploy(&aws, &["--yes"]),
        &[
            "AWS answers: ExpiredToken",
            "(request r-1)",
            "what to do: sign in again",
        ],
    );
    let aws = FakeAws::new().failing("GetCallerIdentity", 403, "InvalidClientTokenId", 1);
    assert_failed(
        &deploy(&aws, &["--yes"]),
        &["that the region is enabled for the account"],
    );
}

/// S3 answers HEAD without a body, so it cannot say there that credentials have expired.
#[test]
fn credentials_that_expire_before_the_upload_are_told_from_the_answer_to_it() {
    let expired = "<Error><Code>ExpiredToken</Code><Message>too old</Message></Error>";
    let aws = FakeAws::new()
        .answering("HeadObject", 400, "", 1)
        .answering("PutObject", 400, expired, 1);
    assert_failed(
        &deploy(&aws, &["--yes"]),
        &[
            "cannot upload",
            "AWS answers: ExpiredToken: too old",
            "what to do: sign in again",
        ],
    );
}

#[test]
fn a_region_that_is_missing_or_cannot_be_one_is_said_without_asking_anyone() {
    let aws = FakeAws::new();
    assert_failed(
        &run(&aws, &["outputs", "--region", "frankfurt"]),
        &["'frankfurt' is not the name of a region"],
    );
    let output = command(&["outputs", "--endpoint-url", &aws.url])
        .env_remove("AWS_REGION")
        .output()
        .expect("infra-gen starts");
    assert_failed(&output, &["no region is set", "--region eu-central-1"]);
    assert_eq!(aws.calls(), [""; 0]);
}

#[test]
fn a_stack_that_is_not_in_the_region_is_answered_with_where_it_was_looked_for() {
    assert_failed(
        &run(&FakeAws::new(), &["outputs", "--region", "us-east-1"]),
        &[
            "there is no stack stagecast-dev in us-east-1",
            "--region and --profile",
        ],
    );
}

#[test]
fn throttled_calls_are_tried_again() {
    let aws = FakeAws::new().failing("GetCallerIdentity", 400, "Throttling", 1);
    let output = deploy(&aws, &["--yes"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(aws.count("GetCallerIdentity"), 2);
}

#[test]
fn missing_rights_on_the_bucket_are_listed() {
    let aws = FakeAws::new()
        .failing("GetBucketLifecycle", 403, "AccessDenied", 1)
        .failing("CreateBucket", 409, "BucketAlreadyOwnedByYou", 1);
    assert_failed(
        &deploy(&aws, &["--yes"]),
        &[
            "AccessDenied",
            "what is needed: s3:GetLifecycleConfiguration",
            "--artifact-bucket",
        ],
    );
    assert_eq!(aws.count("CreateChangeSet"), 0);
}

#[test]
fn a_bucket_name_that_another_account_has_is_no_dead_end() {
    let aws = FakeAws::new().failing("CreateBucket", 409, "BucketAlreadyExists", 1);
    let name = format!("'stagecast-artifacts-{ACCOUNT}-eu-central-1', is taken");
    assert_failed(&deploy(&aws, &["--yes"]), &[&name, "--artifact-bucket"]);
}

/// Asked about another account's bucket, S3 says what it says when rights are missing.
#[test]
fn another_accounts_bucket_is_told_from_missing_rights() {
    let aws = FakeAws::new()
        .failing("GetBucketLifecycle", 403, "AccessDenied", 1)
        .failing("CreateBucket", 409, "BucketAlreadyExists", 1);
    assert_failed(
        &deploy(&aws, &["--yes"]),
        &["is taken by another account", "--artifact-bucket"],
    );
    let aws = FakeAws::new().failing("GetBucketLifecycle", 403, "AccessDenied", 1);
    let needed = format!("the bucket 'theirs' must belong to the account {ACCOUNT}");
    assert_failed(
        &deploy(&aws, &["--yes", "--artifact-bucket", "theirs"]),
        &[&needed],
    );
    assert_eq!(aws.count("CreateBucket"), 0);
}

#[test]
fn the_buckets_policy_names_the_partition_that_the_account_is_in() {
    let answer = format!(
        "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>{ACCOUNT}</Account>\
         <Arn>arn:aws-eusc:iam::{ACCOUNT}:user/me</Arn></GetCallerIdentityResult>\
         </GetCallerIdentityResponse>"
    );
    let aws = FakeAws::new().answering("GetCallerIdentity", 200, &answer, 1);
    let output = deploy(&aws, &["--yes"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let policy = &aws.requests("PutBucket:policy")[0].body;
    assert!(
        policy.contains("arn:aws-eusc:s3:::stagecast-artifacts-"),
        "{policy}"
    );
}

#[test]
fn a_bucket_in_another_region_is_said_to_be_there() {
    let answer = "<Error><Code>PermanentRedirect</Code><Message>elsewhere</Message></Error>";
    let aws = FakeAws::new().answering("GetBucketLifecycle", 301, answer, 1);
    assert_failed(
        &deploy(&aws, &["--yes", "--artifact-bucket", "theirs"]),
        &["'theirs' is not in eu-central-1"],
    );
}

#[test]
fn the_missing_role_for_logs_is_explained_and_not_made_unasked() {
    let aws = FakeAws::new().without_logging_role();
    assert_failed(
        &deploy(&aws, &["--yes"]),
        &[
            "one such role per region, for all its APIs",
            "what to do: give --set-up-logging",
        ],
    );
    assert_eq!(aws.count("CreateChangeSet"), 0);
}

#[test]
fn the_missing_role_for_logs_is_set_up_by_a_stack_of_its_own_if_that_is_wanted() {
    let aws = FakeAws::new().without_logging_role().with_execution(&[
        ("it", "AWS::CloudFormation::Stack", "CREATE_IN_PROGRESS", ""),
        ("Account", "AWS::ApiGateway::Account", "CREATE_COMPLETE", ""),
        ("it", "AWS::CloudFormation::Stack", "CREATE_COMPLETE", ""),
    ]);
    let output = deploy(&aws, &["--yes", "--set-up-logging"]);
    assert!(
        stderr(&output).contains("API Gateway has a role to log with"),
        "{}",
        stderr(&output)
    );
    let made = &aws.requests("CreateChangeSet")[0].form();
    assert_eq!(made["StackName"], "stagecast-api-gateway-logging");
    assert_eq!(made["Capabilities.member.1"], "CAPABILITY_IAM");
}

fn logging_stack(status: &str) -> Stack {
    Stack {
        name: "stagecast-api-gateway-logging".to_owned(),
        status: status.to_owned(),
        description: "The role that API Gateway logs with, for all APIs of this account and region"
            .to_owned(),
        ..Stack::default()
    }
}

#[test]
fn the_stack_of_the_role_for_logs_is_brought_into_a_usable_state_first() {
    let aws = FakeAws::new()
        .without_logging_role()
        .with_stack(logging_stack("ROLLBACK_COMPLETE"));
    deploy(&aws, &["--yes", "--set-up-logging"]);
    assert_eq!(aws.count("DeleteStack"), 1);
    let made = &aws.requests("CreateChangeSet")[0].form();
    assert_eq!(made["StackName"], "stagecast-api-gateway-logging");
    assert_eq!(made["ChangeSetType"], "CREATE");

    let aws = FakeAws::new()
        .without_logging_role()
        .with_stack(logging_stack("ROLLBACK_FAILED"));
    assert_failed(
        &deploy(&aws, &["--yes", "--set-up-logging"]),
        &[
            "the stack stagecast-api-gateway-logging cannot be updated: it is ROLLBACK_FAILED",
            "`infra-gen destroy --stack-name stagecast-api-gateway-logging",
        ],
    );
}

#[test]
fn ctrl_c_while_the_role_for_logs_is_set_up_names_its_stack() {
    let aws = FakeAws::new().without_logging_role().with_execution(&[
        ("it", "AWS::CloudFormation::Stack", "CREATE_IN_PROGRESS", ""),
        ("Role", "AWS::IAM::Role", "CREATE_COMPLETE", ""),
    ]);
    let binaries = binaries();
    let command = deploy_command(&aws, binaries.path(), &["--yes", "--set-up-logging"]);
    let said = interrupted_at(command, "CREATE_COMPLETE          Role");
    assert!(
        said.contains("the stack stagecast-api-gateway-logging is CREATE_IN_PROGRESS"),
        "{said}"
    );
}

#[test]
fn who_may_not_ask_for_the_role_may_still_deploy() {
    let aws = FakeAws::new().answering(
        "GetAccount",
        403,
        r#"{"__type":"AccessDeniedException","message":"no"}"#,
        1,
    );
    let output = deploy(&aws, &["--yes"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("going on as if"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_missing_cargo_lambda_is_named_with_how_to_get_it() {
    let aws = FakeAws::new();
    let empty = tempfile::tempdir().expect("a folder");
    // A cargo that knows no other commands.
    let output = command(&["deploy", "--yes", "--endpoint-url", &aws.url])
        .env("CARGO", "false")
        .env("HOME", empty.path())
        .output()
        .expect("infra-gen starts");
    assert_failed(
        &output,
        &["cargo-lambda is not installed", "pip install cargo-lambda"],
    );
    assert_eq!(aws.count("CreateChangeSet"), 0);
}

#[test]
fn a_profile_that_is_asked_for_comes_before_keys_in_the_environment() {
    let aws = FakeAws::new().with_stack(stack("UPDATE_COMPLETE", SAME));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config");
    let profile = "[profile theirs]\naws_access_key_id = theirs\naws_secret_access_key = secret\n\
                   region = eu-west-3\n";
    fs::write(&file, profile).expect("writable");
    let credential = |more: &[&str]| {
        let arguments = [&["outputs", "--endpoint-url", &aws.url], more].concat();
        let mut command = command(&arguments);
        command
            .env("AWS_CONFIG_FILE", &file)
            .env_remove("AWS_REGION");
        let output = command.output().expect("infra-gen starts");
        assert!(output.status.success(), "{}", stderr(&output));
        let requests = aws.requests("DescribeStacks");
        requests.last().expect("a request").authorization.clone()
    };
    let found = credential(&["--profile", "theirs"]);
    assert!(found.contains("credential=theirs/"), "{found}");
    assert!(found.contains("/eu-west-3/"), "{found}");
    let found = credential(&["--region", "eu-central-1"]);
    assert!(found.contains("credential=key/"), "{found}");
}

#[test]
fn a_profile_that_there_is_none_of_is_named() {
    let aws = FakeAws::new();
    let binaries = binaries();
    let output = deploy_command(&aws, binaries.path(), &["--yes", "--profile", "nobody"])
        .env_remove("AWS_ACCESS_KEY_ID")
        .output()
        .expect("infra-gen starts");
    assert_failed(
        &output,
        &[
            "there is no profile 'nobody' in /nowhere and /nowhere; there are no profiles",
            "give another with --profile",
        ],
    );
    assert_eq!(aws.calls(), [""; 0]);

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config");
    fs::write(&file, "[profile ours]\nregion = eu-west-3\n").expect("writable");
    for (name, sentence) in [
        ("nope", "there is no profile 'nope' in "),
        ("nope", "; there are ours"),
        ("ours", "has no credentials"),
    ] {
        let output = command(&["outputs", "--endpoint-url", &aws.url, "--profile", name])
            .env("AWS_CONFIG_FILE", &file)
            .output()
            .expect("infra-gen starts");
        assert_failed(&output, &[sentence]);
    }
}

/// An emulator with IAM enforced denies every request to the bucket, as AWS would.
#[test]
fn deploy_to_an_endpoint_without_tls_warns_about_the_bucket_policy() {
    let aws = FakeAws::new();
    let output = deploy(&aws, &["--yes"]);
    let said = stderr(&output);
    assert!(said.contains("does not speak TLS"), "{said}");
    assert!(said.contains("Sid OnlyByTls"), "{said}");
}
