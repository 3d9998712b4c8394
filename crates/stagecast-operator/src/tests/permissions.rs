//! The policies in `docs/operate/jobs.md` permit what the commands call, and nothing else.

use std::{collections::BTreeSet, fs, path::Path};

use local_aws::Fault;
use serde_json::{Value, json};
use stagecast_contract::queues::JobMessage;
use stagecast_testing::fixtures;
use typed_contract::functions::Function;

use super::Site;
use crate::{
    callers::{Manager, Viewer},
    list::JobFilter,
};

/// The actions of the policies on the page, in their order: of a viewer, and what an operator needs beyond it.
fn documented() -> Vec<BTreeSet<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operate/jobs.md");
    let page = fs::read_to_string(path).expect("the page");
    let blocks = page.split("```json\n").skip(1);
    let blocks = blocks.filter_map(|block| block.split("```").next());
    let policies = blocks.filter_map(|block| serde_json::from_str::<Value>(block).ok());
    let actions = policies.map(|policy| {
        let statements = policy["Statement"].as_array().cloned().unwrap_or_default();
        let actions = statements.iter().flat_map(|statement| {
            let actions = statement["Action"].as_array().cloned();
            actions.unwrap_or_default()
        });
        let actions = actions.filter_map(|action| action.as_str().map(str::to_owned));
        actions.collect::<BTreeSet<_>>()
    });
    actions.filter(|actions| !actions.is_empty()).collect()
}

/// The actions of a caller's grants.
fn granted<F: Function>() -> BTreeSet<String> {
    let actions = F::SPEC.grants.iter().map(|grant| grant.action.to_owned());
    actions.collect()
}

#[tokio::test]
async fn documented_policies_permit_what_the_commands_call() {
    let documented = documented();
    let [viewer, operator] = &documented[..] else {
        panic!("the page has two policies: {documented:?}");
    };
    let site = Site::new();
    let job = site.failed(1, |job| job).await;
    let list = site.operator.list(&JobFilter::default(), 10, 100).await;
    list.expect("a list");
    site.operator
        .details(&job.id)
        .await
        .expect("the job exists");
    let called = |site: &Site| -> BTreeSet<String> {
        let calls = site.aws.calls().all().into_keys();
        let own = calls.filter(|call| call.caller.starts_with("operator-"));
        own.map(|call| call.operation).collect()
    };
    let read = called(&site);
    assert!(read.is_subset(viewer), "{read:?} of {viewer:?}");
    assert!(granted::<Viewer>().is_subset(viewer));

    let waiting = fixtures::waiting_job(&site.aws, &site.clock, 2, |job| job).await;
    site.operator
        .cancel(&waiting.id)
        .await
        .expect("a cancellation");
    let queue = site.operator.resources().queues()[0].clone();
    let url = site.operator.queue_url(&queue.dead_letters).await;
    let message = json!(JobMessage::new(job.id.clone())).to_string();
    let send = site.operator.sqs.send_message().message_body(message);
    let answer = send.queue_url(url.expect("the queue")).send().await;
    answer.expect("it can be sent");
    let found = site.operator.dead_letters(&queue, 1).await;
    assert_eq!(found.expect("readable").letters.len(), 1);
    site.clock.advance(10_000_000_000);
    site.operator.redrive(&queue, true).await.expect("a move");
    let all: BTreeSet<_> = viewer.union(operator).cloned().collect();
    let called = called(&site);
    assert!(called.is_subset(&all), "{called:?} of {all:?}");
    assert!(granted::<Manager>().is_subset(&all));
    // Beyond the recorded calls and the grants, only what the names of the resources and a move by SQS take.
    let unused: Vec<_> = all
        .difference(&called)
        .filter(|action| !granted::<Manager>().contains(*action))
        .filter(|action| !granted::<Viewer>().contains(*action))
        .collect();
    assert_eq!(
        unused,
        [
            "cloudformation:DescribeStacks",
            "cloudformation:ListStackResources",
            "logs:FilterLogEvents",
            // With it, S3 answers 404 instead of 403.
            "s3:ListBucket",
            "sqs:ListMessageMoveTasks",
        ]
    );
}

#[tokio::test]
async fn missing_permission_is_named_with_the_page_of_the_policies() {
    let site = Site::new();
    let denied = |operation: &'static str| {
        site.aws
            .fail(0..1, Fault::Denied, move |call| call.operation == operation);
    };
    denied("dynamodb:Scan");
    let error = site.operator.list(&JobFilter::default(), 10, 100).await;
    let error = error.expect_err("denied");
    assert!(error.to_string().contains("dynamodb:Scan"), "{error}");
    assert!(
        error
            .help()
            .is_some_and(|help| help.contains("operate/jobs.md"))
    );
    denied("dynamodb:GetItem");
    let id = "job_20260101_ab".parse().expect("an id");
    let error = site.operator.load(&id).await.expect_err("denied");
    let text = error.to_string();
    assert!(
        text.contains("dynamodb:GetItem") && !text.contains("StatusCode"),
        "{text}"
    );
    assert!(
        error
            .help()
            .is_some_and(|help| help.contains("operate/jobs.md"))
    );
}
