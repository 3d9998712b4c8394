//! The publisher: the log, the job's item and the connections after each message.

use local_aws::{Fault, Times};
use serde_json::Value;
use stagecast_contract::{
    limits::LEASE_SECONDS,
    messages::{JobStatus, WorkAmount},
    queues::DeliveryQueue,
    tables::{JobEvents, Jobs},
};
use stagecast_core::{
    clock::Clock,
    delivery::{PublishError, Publisher},
    models::TerminalState,
    stores::{Claim, ProgressPoint},
};
use stagecast_testing::product::PipelineFunction;
use stagecast_testing::{
    TestAws,
    fixtures::{self, TestJob, claimed, job, json, stores, subscribed},
};

use crate::external::External;

fn point(percent: u8) -> ProgressPoint {
    ProgressPoint {
        stage: "a".to_owned(),
        progress: percent,
        overall_progress: percent,
        message: format!("{percent} percent"),
        estimated_seconds_remaining: None,
        work: WorkAmount::default(),
    }
}

/// A claimed job that the connection `c1` is subscribed to.
async fn run_with_subscriber(
    aws: &TestAws,
    clock: &Clock,
) -> (TestJob, Publisher<PipelineFunction>) {
    let job = job(aws, clock, 1).await;
    subscribed(aws, clock, &job, "c1").await;
    let run = claimed(aws, clock, &job).await;
    (job, run)
}

fn seqs(messages: &[Value]) -> Vec<u64> {
    messages
        .iter()
        .filter_map(|message| message["seq"].as_u64())
        .collect()
}

#[tokio::test]
async fn finished_stage_is_logged_committed_and_delivered() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let (_, mut run) = run_with_subscriber(&aws, &clock).await;

    run.finish_stage("a", Some(50), json("12.917521550408111"))
        .await
        .unwrap();
    run.flush().await;

    let messages = aws.take_messages("c1");
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["type"], "stage_complete");
    assert_eq!(messages[0]["results"].to_string(), "12.917521550408111");
    assert_eq!(aws.items::<JobEvents>().len(), 1);
    assert_eq!(aws.items::<Jobs>()[0]["overall_progress"]["N"], "50");
    assert_eq!(aws.items::<Jobs>()[0]["seq"]["N"], "1");
}

#[tokio::test]
async fn durable_messages_arrive_in_the_order_of_their_seq() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let (_, mut run) = run_with_subscriber(&aws, &clock).await;

    for stage in ["a", "b", "c"] {
        run.finish_stage(stage, None, json("null")).await.unwrap();
    }
    run.end(&TerminalState::Completed, None, None)
        .await
        .unwrap();
    run.flush().await;

    let messages = aws.take_messages("c1");
    assert_eq!(seqs(&messages), [1, 2, 3, 4]);
    assert_eq!(messages[3]["type"], "job_complete");
}

#[tokio::test]
async fn progress_is_delivered_and_not_logged() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let (_, mut run) = run_with_subscriber(&aws, &clock).await;

    run.report(&point(40)).await.unwrap();
    run.flush().await;

    let messages = aws.take_messages("c1");
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["type"], "progress_update");
    assert_eq!(messages[0]["progress"], 40);
    assert!(aws.items::<JobEvents>().is_empty());
}

#[tokio::test]
async fn connection_without_subscription_receives_nothing() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let (_, mut run) = run_with_subscriber(&aws, &clock).await;
    aws.connect("other");

    run.finish_stage("a", None, json("1")).await.unwrap();
    run.flush().await;

    assert!(aws.take_messages("other").is_empty());
}

#[tokio::test]
async fn subscriber_that_joins_later_receives_the_next_message() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let (job, mut run) = run_with_subscriber(&aws, &clock).await;
    run.finish_stage("a", None, json("1")).await.unwrap();

    subscribed(&aws, &clock, &job, "c2").await;
    run.finish_stage("b", None, json("2")).await.unwrap();
    run.flush().await;

    assert_eq!(seqs(&aws.take_messages("c2")), [2]);
}

#[tokio::test]
async fn gone_connection_is_deleted_and_others_are_served() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let (job, mut run) = run_with_subscriber(&aws, &clock).await;
    subscribed(&aws, &clock, &job, "c2").await;
    aws.disconnect("c1");
    clock.advance(20);

    run.finish_stage("a", None, json("1")).await.unwrap();
    run.flush().await;

    assert_eq!(seqs(&aws.take_messages("c2")), [1]);
    let connections = aws.items::<stagecast_contract::tables::Connections>();
    assert!(
        connections
            .iter()
            .all(|item| item["connection_id"]["S"] == "c2")
    );
}

#[tokio::test(start_paused = true)]
async fn throttled_posts_are_retried_in_order() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let (_, mut run) = run_with_subscriber(&aws, &clock).await;
    let throttles = Times::new(3);
    aws.faults()
        .on_post(move |_| throttles.take().then_some(Fault::Throttle));

    run.finish_stage("a", None, json("1")).await.unwrap();
    run.finish_stage("b", None, json("2")).await.unwrap();
    run.flush().await;

    assert_eq!(seqs(&aws.take_messages("c1")), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn message_that_cannot_be_posted_is_deferred() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let (job, mut run) = run_with_subscriber(&aws, &clock).await;
    aws.faults().on_post(|_| Some(Fault::Throttle));

    run.finish_stage("a", None, json("1")).await.unwrap();
    run.flush().await;

    let queued = aws.queued::<DeliveryQueue>();
    assert_eq!(queued.len(), 1, "{queued:?}");
    assert_eq!(queued[0]["job_id"], job.id.as_str());
}

#[tokio::test(start_paused = true)]
async fn delivery_task_is_queued_after_an_outage_of_the_queue() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let (_, mut run) = run_with_subscriber(&aws, &clock).await;
    let outages = Times::new(3);
    aws.faults().on_post(|_| Some(Fault::Throttle));
    aws.faults().on_call(move |call| {
        let is_send = call.operation == "sqs:SendMessage";
        (is_send && outages.take()).then_some(Fault::Outage)
    });

    run.finish_stage("a", None, json("1")).await.unwrap();
    run.flush().await;

    let queued = aws.queued::<DeliveryQueue>();
    assert_eq!(queued.len(), 1, "{queued:?}");
    assert_eq!(queued[0]["after_seq"], 0);
}

#[tokio::test]
async fn run_whose_lease_was_taken_cannot_write() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let (job, mut run) = run_with_subscriber(&aws, &clock).await;
    clock.advance(LEASE_SECONDS + 1);
    let next = stores::<PipelineFunction>(&aws, &clock)
        .jobs
        .claim(&job.id)
        .await
        .unwrap();
    assert!(matches!(next, Claim::Acquired { takeover: true, .. }));

    let finished = run.finish_stage("a", None, json("1")).await;
    let reported = run.report(&point(50)).await;
    run.flush().await;

    assert!(
        matches!(finished, Err(PublishError::LeaseLost)),
        "{finished:?}"
    );
    assert!(
        matches!(reported, Err(PublishError::LeaseLost)),
        "{reported:?}"
    );
    assert!(aws.take_messages("c1").is_empty());
}

#[tokio::test]
async fn logged_but_uncommitted_message_is_committed_by_the_next_run() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let (job, mut run) = run_with_subscriber(&aws, &clock).await;
    // The event is written, and the update of the job fails.
    aws.faults()
        .on_call(|call| (call.operation == "dynamodb:UpdateItem").then_some(Fault::Outage));
    run.finish_stage("a", Some(50), json("1"))
        .await
        .unwrap_err();
    aws.faults().clear();
    clock.advance(LEASE_SECONDS + 1);

    let mut next = claimed(&aws, &clock, &job).await;
    assert!(next.recover().await.unwrap());
    assert!(!next.recover().await.unwrap());
    next.finish_stage("b", None, json("2")).await.unwrap();
    next.flush().await;

    assert_eq!(seqs(&aws.take_messages("c1")), [1, 2]);
    assert_eq!(aws.items::<Jobs>()[0]["seq"]["N"], "2");
    let epochs: Vec<_> = aws
        .items::<JobEvents>()
        .iter()
        .map(|event| event["epoch"]["N"].clone())
        .collect();
    assert_eq!(epochs, ["2", "2"]);
}

#[tokio::test]
async fn repeated_message_after_a_lost_response_is_published_once() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let (_, mut run) = run_with_subscriber(&aws, &clock).await;
    let once = Times::new(1);
    aws.faults().on_call(move |call| {
        let is_append = call.operation == "dynamodb:PutItem";
        (is_append && once.take()).then_some(Fault::LostResponse)
    });

    run.finish_stage("a", None, json("1")).await.unwrap_err();
    run.finish_stage("a", None, json("1")).await.unwrap();
    run.flush().await;

    assert_eq!(seqs(&aws.take_messages("c1")), [1]);
    assert_eq!(aws.items::<JobEvents>().len(), 1);
}

#[tokio::test]
async fn job_that_has_ended_takes_no_more_messages() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let (_, mut run) = run_with_subscriber(&aws, &clock).await;
    run.end(&TerminalState::Cancelled, Some("a"), None)
        .await
        .unwrap();

    let late = run.finish_stage("a", None, json("1")).await;

    assert!(matches!(late, Err(PublishError::LeaseLost)), "{late:?}");
}

#[tokio::test]
async fn stage_committed_by_another_has_the_status_of_its_job() {
    let cancelled = TerminalState::Cancelled;
    for (terminal_state, status) in [
        (None, JobStatus::Running),
        (Some(&cancelled), JobStatus::Cancelled),
    ] {
        let site = External::new().await;
        let mut publisher = site.die_before_commit().await;
        let job = site.load().await;
        site.unattended.settle(&job, terminal_state).await.unwrap();

        // The worker is back, and repeats its request.
        let finished = publisher.finish_stage("a", None, json("1")).await;

        let (lease_status, _) = finished.unwrap();
        assert_eq!(lease_status.status, status);
    }
}

#[tokio::test]
async fn recover_discards_the_loss_of_an_earlier_worker() {
    let site = External::new().await;
    Box::pin(site.give_up_before_commit()).await;
    let lease = site.claim().await;
    let mut publisher = site.publisher(&lease).await;

    assert!(!publisher.recover().await.unwrap());

    assert_eq!((publisher.seq(), site.load().await.seq), (0, 0));
    assert_eq!(site.aws.items::<JobEvents>()[0]["epoch"]["N"], "2");
}
