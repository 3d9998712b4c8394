//! Subscriptions by tokens that expire while the job runs.

use std::sync::atomic::{AtomicUsize, Ordering};

use local_aws::Fault;
use serde_json::Value;
use stagecast_contract::{
    functions::{DeliveryFunction, WebSocketFunction},
    messages::WorkAmount,
    queues::DeliveryQueue,
    tables::{Connections, Subscribers},
};
use stagecast_core::{
    clock::Clock,
    delivery::Publisher,
    models::{Connection, Subscriber, TokenAccess},
    owner_tokens::JobCredential,
    stores::{
        CommitOutcome, Precondition, ProgressPoint, StoreError, SubscriptionRequest,
        TokenExtension, correlation_id,
    },
};
use stagecast_testing::{
    TestAws,
    fixtures::{
        self, TestJob, claimed, job_as, json, stores, subscribed, subscribed_by_token,
        subscribed_to_owner, subscribed_to_owner_for,
    },
    owner_tokens::{project, token_of},
    product::PipelineFunction,
};

/// A claimed job of `user-7`, to which the connection `c1` is subscribed by a token that is valid for five minutes, and
/// `c2` by the access key.
async fn run() -> (TestAws, Clock, TestJob, Publisher<PipelineFunction>) {
    let (aws, clock) = (TestAws::of(project()), fixtures::clock());
    let owned = |mut job: stagecast_core::models::Job| {
        job.owner = Some("user-7".to_owned());
        job
    };
    let job = job_as(&aws, &clock, 1, owned).await;
    let token = token_of(&clock, "user-7", &["watch"]);
    subscribed_by_token(&aws, &clock, &job, "c1", &token).await;
    subscribed(&aws, &clock, &job, "c2").await;
    let run = claimed(&aws, &clock, &job).await;
    (aws, clock, job, run)
}

/// Extends the subscriptions of `c1` to five minutes from now.
async fn extend(aws: &TestAws, clock: &Clock, owner: &str) -> TokenExtension {
    let stores = stores::<WebSocketFunction>(aws, clock);
    let token = TokenAccess {
        owner: owner.to_owned(),
        expires_at: clock.now().plus_seconds(300).epoch_seconds(),
    };
    let includes = async |_: &Connection| Ok::<_, StoreError>(true);
    let extended = stores.connections.extend_tokens("c1", &token, includes);
    extended.await.expect("the items can be written")
}

fn types(messages: &[Value]) -> Vec<&str> {
    messages
        .iter()
        .filter_map(|it| it["type"].as_str())
        .collect()
}

fn is_expiry(messages: &[Value]) -> bool {
    matches!(messages, [error] if error["code"] == "token_expired")
}

fn point(percent: u8) -> ProgressPoint {
    ProgressPoint {
        stage: "a".to_owned(),
        progress: percent,
        overall_progress: percent,
        message: String::new(),
        estimated_seconds_remaining: None,
        work: WorkAmount::default(),
    }
}

#[tokio::test]
async fn subscription_ends_with_a_notice_after_its_token_and_the_job_goes_on() {
    let (aws, clock, job, mut run) = run().await;
    clock.advance(329);
    run.finish_stage("a", None, json("1")).await.unwrap();
    run.flush().await;
    assert_eq!(types(&aws.take_messages("c1")), ["stage_complete"]);

    clock.advance(1);
    run.finish_stage("b", None, json("2")).await.unwrap();
    run.finish_stage("c", None, json("3")).await.unwrap();
    run.flush().await;

    let notice = aws.take_messages("c1");
    assert!(is_expiry(&notice), "{notice:?}");
    assert_eq!(notice[0]["details"]["job_id"], job.id.as_str());
    assert_eq!(types(&aws.take_messages("c2")).len(), 3);
    let subscribers = aws.items::<Subscribers>();
    assert_eq!(subscribers.len(), 1, "{subscribers:?}");
    assert_eq!(subscribers[0]["connection_id"]["S"], "c2");
    let connections = aws.items::<Connections>();
    let own = connections
        .iter()
        .find(|it| it["connection_id"]["S"] == "c1");
    assert_eq!(own.expect("the connection")["subscriptions"]["N"], "0");
}

#[tokio::test]
async fn progress_ends_the_subscription_as_well() {
    let (aws, clock, _, mut run) = run().await;
    clock.advance(330);
    for percent in [10, 20] {
        run.report(&point(percent)).await.unwrap();
        run.flush().await;
    }
    let notice = aws.take_messages("c1");
    assert!(is_expiry(&notice), "{notice:?}");
    assert_eq!(aws.items::<Subscribers>().len(), 1);
}

#[tokio::test]
async fn newer_token_extends_the_subscription_before_and_after_the_expiry() {
    let (aws, clock, _, mut run) = run().await;
    run.finish_stage("a", None, json("1")).await.unwrap();
    for wait in [200, 329, 1_000] {
        clock.advance(wait);
        let extension = extend(&aws, &clock, "user-7").await;
        assert_eq!((extension.extended, extension.of_others), (1, 0));
        run.report(&point(10)).await.unwrap();
        run.flush().await;
        assert!(!is_expiry(&aws.take_messages("c1")), "after {wait} s");
    }
    clock.advance(330);
    run.finish_stage("b", None, json("2")).await.unwrap();
    run.flush().await;
    assert!(is_expiry(&aws.take_messages("c1")));
}

#[tokio::test]
async fn token_of_another_owner_and_access_keys_are_not_extended() {
    let (aws, clock, _, mut run) = run().await;
    clock.advance(100);
    let extension = extend(&aws, &clock, "user-8").await;
    assert_eq!((extension.extended, extension.of_others), (0, 1));
    let stores = stores::<WebSocketFunction>(&aws, &clock);
    let token = TokenAccess {
        owner: "user-7".to_owned(),
        expires_at: clock.now().plus_seconds(300).epoch_seconds(),
    };
    let includes = async |_: &Connection| Ok::<_, StoreError>(true);
    let keyed = stores.connections.extend_tokens("c2", &token, includes);
    assert_eq!(keyed.await.unwrap(), TokenExtension::default());
    clock.advance(230);
    run.finish_stage("a", None, json("1")).await.unwrap();
    run.flush().await;
    assert!(is_expiry(&aws.take_messages("c1")));
    assert_eq!(types(&aws.take_messages("c2")), ["stage_complete"]);
}

/// The subscriber `c1` as a publisher reads it.
async fn read(aws: &TestAws, clock: &Clock, job: &TestJob) -> Subscriber {
    let stores = stores::<DeliveryFunction>(aws, clock);
    let page = stores.subscriptions.page(&job.id, None, 10).await;
    let mut subscribers = page.expect("the list").subscribers.into_iter();
    let found = subscribers.find(|it| it.connection_id == "c1");
    found.expect("a subscriber")
}

#[tokio::test]
async fn subscription_that_was_extended_in_the_meantime_is_not_ended() {
    let (aws, clock, job, _run) = run().await;
    let earlier = read(&aws, &clock, &job).await;
    clock.advance(330);
    let stores = stores::<WebSocketFunction>(&aws, &clock);
    extend(&aws, &clock, "user-7").await;
    assert!(!stores.connections.end_expired(&earlier).await.unwrap());
    assert_eq!(aws.items::<Subscribers>().len(), 2);

    let extended = read(&aws, &clock, &job).await;
    clock.advance(330);
    assert!(stores.connections.end_expired(&extended).await.unwrap());
    assert!(!stores.connections.end_expired(&extended).await.unwrap());
    let extension = extend(&aws, &clock, "user-7").await;
    assert_eq!(extension, TokenExtension::default());
    assert_eq!(aws.items::<Subscribers>().len(), 1);
}

#[tokio::test]
async fn subscribe_that_was_read_before_an_extension_is_repeated() {
    let (aws, clock, job, _run) = run().await;
    let stores = stores::<WebSocketFunction>(&aws, &clock);
    let subscriptions = &stores.subscriptions;
    let request = SubscriptionRequest {
        connection_id: "c1",
        connected_at: clock.now(),
        correlation_id: correlation_id("c1", clock.now()),
        job_id: &job.id,
    };
    let read = async || {
        let context = subscriptions.load_context("c1", &job.id).await.unwrap();
        let credential = JobCredential::AccessKey(&job.access_key);
        let authorized = subscriptions.authorize(context, Some(credential), 20);
        authorized.expect("the key opens the job")
    };
    let before = read().await;
    clock.advance(100);
    extend(&aws, &clock, "user-7").await;
    let after = read().await;
    for (authorized, outcome) in [
        (before, CommitOutcome::Conflict),
        (after, CommitOutcome::Committed),
    ] {
        let allowance = authorized.allowance();
        let committed =
            subscriptions.commit(&request, &authorized, allowance, Precondition::Nothing);
        assert_eq!(committed.await.unwrap(), outcome);
    }
}

#[tokio::test]
async fn interrupted_extension_does_not_keep_the_subscription_alive() {
    let (aws, clock, job, _run) = run().await;
    clock.advance(100);
    // The second of its writes fails.
    let writes = AtomicUsize::new(0);
    aws.faults().on_call(move |call| {
        let is_write = call.operation == "dynamodb:UpdateItem";
        (is_write && writes.fetch_add(1, Ordering::Relaxed) == 1).then_some(Fault::Outage)
    });
    let stores = stores::<WebSocketFunction>(&aws, &clock);
    let token = TokenAccess {
        owner: "user-7".to_owned(),
        expires_at: clock.now().plus_seconds(300).epoch_seconds(),
    };
    let includes = async |_: &Connection| Ok::<_, StoreError>(true);
    let extended = stores.connections.extend_tokens("c1", &token, includes);
    extended.await.expect_err("an outage");
    aws.faults().clear();
    clock.advance(330);
    let read = read(&aws, &clock, &job).await;
    assert_eq!(read.token, Some(token));
    assert!(stores.connections.end_expired(&read).await.unwrap());
    assert_eq!(aws.items::<Subscribers>().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn messages_in_place_of_a_notice_that_fails_are_left_to_the_delivery_function() {
    let (aws, clock, _, mut run) = run().await;
    run.finish_stage("a", None, json("1")).await.unwrap();
    run.flush().await;
    clock.advance(330);
    aws.faults()
        .on_post(|post| (post.connection_id == "c1").then_some(Fault::Throttle));

    run.finish_stage("b", None, json("2")).await.unwrap();
    run.finish_stage("c", None, json("3")).await.unwrap();
    run.flush().await;

    let queued = aws.queued::<DeliveryQueue>();
    let ranges: Vec<_> = queued
        .iter()
        .map(|it| (it["after_seq"].as_u64(), it["through_seq"].as_u64()))
        .collect();
    assert_eq!(ranges, [(Some(1), Some(3))], "{queued:?}");
    assert_eq!(aws.items::<Subscribers>().len(), 2);
}

#[tokio::test]
async fn idle_subscription_costs_no_calls() {
    let (aws, clock, _, run) = run().await;
    aws.calls().clear();
    clock.advance(600);
    run.renew().await.unwrap();
    let calls = aws.calls().all();
    assert_eq!(calls.len(), 1, "{calls:?}");
}

#[tokio::test]
async fn subscription_to_a_feed_ends_with_its_token_and_the_others_go_on() {
    let (aws, clock, _, mut run) = run().await;
    subscribed_to_owner_for(&aws, &clock, "user-7", &[], "c3", 300).await;
    subscribed_to_owner(&aws, &clock, "user-7", &[], "c4").await;
    clock.advance(329);
    run.finish_stage("a", None, json("1")).await.unwrap();
    run.flush().await;
    assert_eq!(types(&aws.take_messages("c3")), ["stage_complete"]);

    clock.advance(1);
    run.finish_stage("b", None, json("2")).await.unwrap();
    run.finish_stage("c", None, json("3")).await.unwrap();
    run.flush().await;

    let notice = aws.take_messages("c3");
    assert!(is_expiry(&notice), "{notice:?}");
    assert_eq!(notice[0]["details"]["owner"], "user-7");
    assert_eq!(types(&aws.take_messages("c4")).len(), 3);
    let of_feed = |item: &&Value| item["job_id"]["S"] == "#owner#user-7";
    let subscribers = aws.items::<Subscribers>();
    let left: Vec<_> = subscribers.iter().filter(of_feed).collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0]["connection_id"]["S"], "c4");
    let connections = aws.items::<Connections>();
    let own = connections
        .iter()
        .find(|it| it["connection_id"]["S"] == "c3");
    assert_eq!(own.expect("the connection")["subscriptions"]["N"], "0");
}

#[tokio::test]
async fn newer_token_extends_the_subscription_to_a_feed() {
    let (aws, clock, _, mut run) = run().await;
    subscribed_to_owner_for(&aws, &clock, "user-7", &[], "c1", 300).await;
    clock.advance(200);
    let extension = extend(&aws, &clock, "user-7").await;
    assert_eq!((extension.extended, extension.of_others), (2, 0));
    clock.advance(200);
    run.finish_stage("a", None, json("1")).await.unwrap();
    run.flush().await;
    assert_eq!(types(&aws.take_messages("c1")), ["stage_complete"]);
}

#[tokio::test]
async fn connection_gets_messages_through_the_feed_after_its_subscription_to_the_job_has_expired() {
    let (aws, clock, job, mut run) = run().await;
    subscribed_to_owner(&aws, &clock, "user-7", &[], "c1").await;
    clock.advance(330);
    for stage in ["a", "b"] {
        run.finish_stage(stage, None, json("1")).await.unwrap();
        run.flush().await;
    }
    let messages = aws.take_messages("c1");
    let (notices, others): (Vec<_>, Vec<_>) = messages
        .iter()
        .partition(|it| it["code"] == "token_expired");
    assert_eq!(notices.len(), 1, "{messages:?}");
    assert_eq!(notices[0]["details"]["job_id"], job.id.as_str());
    let seqs: Vec<_> = others.iter().map(|it| it["seq"].as_u64()).collect();
    assert_eq!(seqs, [Some(1), Some(2)]);
}
