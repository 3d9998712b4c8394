//! Faults of the account that a deployment detects before it changes anything.

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
fn missing_credentials_are_reported_with_ways_to_get_some() {
    let aws = FakeAws::new();
    let output = command(&["outputs", "--endpoint-url", &aws.url])
        .env_remove("AWS_ACCESS_KEY_ID")
        .output()
        .expect("infra-gen starts");
    assert_failed(
        &output,
        &[
            "cannot describe the stack stagecast-dev",
            "no credentials were found in AWS_ACCESS_KEY_ID",
            "the profile 'default' of /nowhere and /nowhere",
            "help: give credentials",
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

/// A connection that is closed without an answer, like one to a port without a listener.
#[test]
fn unreachable_address_is_reported_after_two_attempts() {
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
            &format!("cannot describe the stack stagecast-dev at {url}"),
            "help: check that the region exists",
        ],
    );
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

/// `cargo dev` answers 501 for a service that it does not implement.
#[test]
fn endpoint_without_cloudformation_is_explained() {
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
fn expired_credentials_are_distinguished_from_wrong_ones() {
    let aws = FakeAws::new().failing("GetCallerIdentity", 403, "ExpiredToken", 1);
    assert_failed(
        &deploy(&aws, &["--yes"]),
        &[
            "AWS answers: ExpiredToken",
            "(request r-1)",
            "help: sign in again",
        ],
    );
    let aws = FakeAws::new().failing("GetCallerIdentity", 403, "InvalidClientTokenId", 1);
    assert_failed(
        &deploy(&aws, &["--yes"]),
        &["that the region is enabled for the account"],
    );
}

/// S3 answers HEAD without a body, so only the answer to the upload names the expired credentials.
#[test]
fn credentials_that_expire_before_the_upload_are_reported() {
    let expired = "<Error><Code>ExpiredToken</Code><Message>too old</Message></Error>";
    let aws = FakeAws::new()
        .answering("HeadObject", 400, "", 1)
        .answering("PutObject", 400, expired, 1);
    assert_failed(
        &deploy(&aws, &["--yes"]),
        &[
            "cannot upload",
            "AWS answers: ExpiredToken: too old",
            "help: sign in again",
        ],
    );
}

#[test]
fn missing_or_invalid_region_is_reported_without_a_request() {
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
fn missing_stack_is_reported_with_its_region() {
    assert_failed(
        &run(&FakeAws::new(), &["outputs", "--region", "us-east-1"]),
        &[
            "there is no stack stagecast-dev in us-east-1",
            "--region and --profile",
        ],
    );
}

#[test]
fn throttled_calls_are_retried() {
    let aws = FakeAws::new().failing("GetCallerIdentity", 400, "Throttling", 1);
    let output = deploy(&aws, &["--yes"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(aws.count("GetCallerIdentity"), 2);
}

#[test]
fn missing_permissions_on_the_bucket_are_listed() {
    let aws = FakeAws::new()
        .failing("GetBucketLifecycle", 403, "AccessDenied", 1)
        .failing("CreateBucket", 409, "BucketAlreadyOwnedByYou", 1);
    assert_failed(
        &deploy(&aws, &["--yes"]),
        &[
            "AccessDenied",
            "required permissions: s3:GetLifecycleConfiguration",
            "--artifact-bucket",
        ],
    );
    assert_eq!(aws.count("CreateChangeSet"), 0);
}

#[test]
fn bucket_name_of_another_account_is_reported() {
    let aws = FakeAws::new().failing("CreateBucket", 409, "BucketAlreadyExists", 1);
    let name = format!("'stagecast-artifacts-{ACCOUNT}-eu-central-1', is taken");
    assert_failed(&deploy(&aws, &["--yes"]), &[&name, "--artifact-bucket"]);
}

/// S3 answers 403 both for another account's bucket and for missing permissions.
#[test]
fn bucket_of_another_account_differs_from_missing_permission() {
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
fn bucket_policy_has_the_accounts_partition() {
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
fn bucket_in_another_region_is_reported() {
    let answer = "<Error><Code>PermanentRedirect</Code><Message>elsewhere</Message></Error>";
    let aws = FakeAws::new().answering("GetBucketLifecycle", 301, answer, 1);
    assert_failed(
        &deploy(&aws, &["--yes", "--artifact-bucket", "theirs"]),
        &["'theirs' is not in eu-central-1"],
    );
}

#[test]
fn missing_logging_role_is_not_created_without_consent() {
    let aws = FakeAws::new().without_logging_role();
    assert_failed(
        &deploy(&aws, &["--yes"]),
        &[
            "one such role per region, for all its APIs",
            "help: give --set-up-logging",
        ],
    );
    assert_eq!(aws.count("CreateChangeSet"), 0);
}

#[test]
fn missing_logging_role_is_created_with_consent() {
    let aws = FakeAws::new().without_logging_role().with_execution(&[
        ("it", "AWS::CloudFormation::Stack", "CREATE_IN_PROGRESS", ""),
        ("Account", "AWS::ApiGateway::Account", "CREATE_COMPLETE", ""),
        ("it", "AWS::CloudFormation::Stack", "CREATE_COMPLETE", ""),
    ]);
    let output = deploy(&aws, &["--yes", "--set-up-logging"]);
    assert!(
        stderr(&output).contains("API Gateway has a logging role"),
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
fn logging_stack_is_made_updatable_first() {
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
fn ctrl_c_while_the_logging_role_is_created_names_its_stack() {
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
fn deploy_continues_without_permission_to_read_the_role() {
    let aws = FakeAws::new().answering(
        "GetAccount",
        403,
        r#"{"__type":"AccessDeniedException","message":"no"}"#,
        1,
    );
    let output = deploy(&aws, &["--yes"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("continuing as if"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn missing_cargo_lambda_is_reported_with_how_to_get_it() {
    let aws = FakeAws::new();
    let empty = tempfile::tempdir().expect("a folder");
    // A cargo without cargo-lambda.
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
fn profile_option_takes_precedence_over_keys_in_environment() {
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
fn missing_profile_is_reported_with_the_existing_ones() {
    let aws = FakeAws::new();
    let binaries = binaries();
    let output = deploy_command(&aws, binaries.path(), &["--yes", "--profile", "other"])
        .env_remove("AWS_ACCESS_KEY_ID")
        .output()
        .expect("infra-gen starts");
    assert_failed(
        &output,
        &[
            "there is no profile 'other' in /nowhere and /nowhere; there are no profiles",
            "choose another with --profile",
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

/// An emulator that enforces IAM denies every request to the bucket, like AWS.
#[test]
fn deploy_without_tls_warns_about_the_bucket_policy() {
    let aws = FakeAws::new();
    let output = deploy(&aws, &["--yes"]);
    let said = stderr(&output);
    assert!(said.contains("does not use TLS"), "{said}");
    assert!(said.contains("Sid OnlyByTls"), "{said}");
}
