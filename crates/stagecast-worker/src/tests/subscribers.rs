//! Subscribers that cannot be reached, are gone, or cannot be read.

use std::sync::atomic::{AtomicUsize, Ordering};

use local_aws::{Call, Fault};
use serde_json::{Value, json};
use stagecast_contract::{
    queues::DeliveryQueue,
    tables::{Connections, Subscribers},
};
use stagecast_testing::fixtures::subscribed;
use typed_contract::tables::Table as _;

use super::{Site, progress, stage_complete, types};

fn reads_subscribers(call: &Call) -> bool {
    call.operation == "dynamodb:Query" && call.resource == Subscribers::SPEC.name
}

#[tokio::test(start_paused = true)]
async fn unreachable_subscriber_is_left_to_the_delivery_function() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    subscribed(&site.aws, &site.clock, &job, "c1").await;
    subscribed(&site.aws, &site.clock, &job, "c2").await;
    site.aws
        .faults()
        .on_post(|post| (post.connection_id == "c1").then_some(Fault::Outage));

    let accepted = site.post(&job, 1, 0, json!([stage_complete("a", 1)])).await;

    accepted.accepted();
    assert_eq!(types(&site.aws.take_messages("c2")), ["stage_complete"]);
    let deliveries = site.deliveries();
    assert_eq!(deliveries.len(), 1, "{deliveries:?}");
    assert_eq!(deliveries[0]["audience"], json!({"connections": ["c1"]}));
    assert_eq!(deliveries[0]["after_seq"], 0);
    assert_eq!(deliveries[0]["through_seq"], 1);
}

#[tokio::test(start_paused = true)]
async fn progress_that_cannot_be_posted_is_dropped() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    subscribed(&site.aws, &site.clock, &job, "c1").await;
    site.aws.faults().on_post(|_| Some(Fault::Outage));

    site.post(&job, 1, 0, json!([progress("a", 50)]))
        .await
        .accepted();

    assert!(site.deliveries().is_empty());
}

#[tokio::test(start_paused = true)]
async fn unresponsive_subscriber_delays_neither_worker_nor_others() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    subscribed(&site.aws, &site.clock, &job, "slow").await;
    subscribed(&site.aws, &site.clock, &job, "fast").await;
    site.aws
        .faults()
        .on_post(|post| (post.connection_id == "slow").then_some(Fault::Hang));

    let stage = json!([stage_complete("a", 1)]);
    site.post(&job, 1, 0, stage).await.accepted();
    let stage = json!([stage_complete("b", 2)]);
    site.post(&job, 1, 1, stage).await.accepted();

    let fast = site.aws.take_messages("fast");
    assert_eq!(types(&fast), ["stage_complete", "stage_complete"]);
    let deliveries = site.deliveries();
    for delivery in &deliveries {
        assert_eq!(delivery["audience"], json!({"connections": ["slow"]}));
    }
    for seq in [1, 2] {
        let covers = |delivery: &Value| {
            let after = delivery["after_seq"].as_u64().unwrap();
            let through = delivery["through_seq"].as_u64().unwrap();
            after < seq && seq <= through
        };
        assert!(deliveries.iter().any(covers), "{deliveries:?}");
    }
}

#[tokio::test]
async fn items_of_a_gone_subscriber_are_deleted() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    subscribed(&site.aws, &site.clock, &job, "c1").await;
    site.aws.disconnect("c1");

    site.post(&job, 1, 0, json!([stage_complete("a", 1)]))
        .await
        .accepted();

    assert!(site.aws.items::<Connections>().is_empty());
    assert!(site.aws.items::<Subscribers>().is_empty());
    assert!(site.deliveries().is_empty());
}

#[tokio::test]
async fn stage_is_accepted_when_the_subscribers_cannot_be_read() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    site.aws.fail(0..1, Fault::Outage, reads_subscribers);

    let accepted = site.post(&job, 1, 0, json!([stage_complete("a", 1)])).await;

    assert_eq!(accepted.accepted()["seq"], 1);
    let deliveries = site.deliveries();
    assert_eq!(deliveries[0]["audience"], "all_subscribers");
    assert_eq!(deliveries[0]["content"], "published");
    assert_eq!(deliveries[0]["after_seq"], 0);
}

#[tokio::test(start_paused = true)]
async fn delivery_refused_by_the_queue_is_queued_before_the_response() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    let queue = AtomicUsize::new(0);
    site.aws.faults().on_call(move |call| {
        let is_refused =
            call.operation == "sqs:SendMessage" && queue.fetch_add(1, Ordering::Relaxed) < 3;
        (is_refused || reads_subscribers(call)).then_some(Fault::Outage)
    });

    let accepted = site.post(&job, 1, 0, json!([stage_complete("a", 1)])).await;

    accepted.accepted();
    assert_eq!(site.deliveries()[0]["audience"], "all_subscribers");
    assert_eq!(site.deliveries()[0]["after_seq"], 0);
}

#[tokio::test(start_paused = true)]
async fn failed_post_is_queued_again_when_the_queue_refused_it() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    subscribed(&site.aws, &site.clock, &job, "c1").await;
    site.aws.faults().on_post(|_| Some(Fault::Outage));
    site.aws.fail(0..3, Fault::Outage, |call| {
        call.operation == "sqs:SendMessage"
    });

    let accepted = site.post(&job, 1, 0, json!([stage_complete("a", 1)])).await;

    accepted.accepted();
    let reaches_c1 = |delivery: &Value| {
        let audiences = [json!({"connections": ["c1"]}), json!("all_subscribers")];
        audiences.contains(&delivery["audience"]) && delivery["after_seq"] == 0
    };
    let deliveries = site.deliveries();
    assert!(deliveries.iter().any(reaches_c1), "{deliveries:?}");
}

#[tokio::test]
async fn second_post_to_a_process_reads_no_subscribers() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    subscribed(&site.aws, &site.clock, &job, "c1").await;
    let stage = json!([stage_complete("a", 1)]);
    site.post(&job, 1, 0, stage).await.accepted();
    site.aws.calls().clear();

    let stage = json!([stage_complete("b", 2)]);
    site.post(&job, 1, 1, stage).await.accepted();

    assert_eq!(site.aws.calls().count(reads_subscribers), 0);
    assert_eq!(site.aws.take_messages("c1").len(), 2);
}

#[tokio::test]
async fn subscriber_that_comes_between_two_posts_gets_the_second() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    let stage = json!([stage_complete("a", 1)]);
    site.post(&job, 1, 0, stage).await.accepted();
    subscribed(&site.aws, &site.clock, &job, "c1").await;

    let stage = json!([stage_complete("b", 2)]);
    site.post(&job, 1, 1, stage).await.accepted();

    let messages = site.aws.take_messages("c1");
    assert_eq!(types(&messages), ["stage_complete"]);
    assert_eq!(messages[0]["seq"], 2);
    assert_eq!(site.aws.queued::<DeliveryQueue>().len(), 1, "the watchdog");
}
