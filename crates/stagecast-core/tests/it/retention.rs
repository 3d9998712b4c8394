//! The expiry of what is written for a job.

use std::time::Duration;

use stage_pipeline::{Estimate, StageCheckpoint};
use stagecast_contract::{
    functions::DeliveryFunction,
    messages::WorkAmount,
    retention::JobRetention,
    tables::{JobEvents, Jobs},
};
use stagecast_core::{models::TerminalState, stores::ProgressPoint, unattended::Unattended};
use stagecast_testing::{
    TestAws,
    fixtures::{self, START, claimed, job_as, json, stores},
};

#[tokio::test]
async fn every_item_of_a_job_expires_with_it() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let retention = JobRetention::new(2);
    let job = job_as(&aws, &clock, 1, |job| job.kept_for(retention)).await;
    let mut run = claimed(&aws, &clock, &job).await;
    clock.advance(10);
    run.finish_stage("a", None, json("1")).await.unwrap();
    let point = ProgressPoint {
        stage: "b".to_owned(),
        progress: 40,
        overall_progress: 70,
        message: String::new(),
        estimated_seconds_remaining: None,
        work: WorkAmount::default(),
    };
    let checkpoint = StageCheckpoint {
        stage: "b".to_owned(),
        state: json("7"),
        percent: 40,
        message: String::new(),
        stage_elapsed: Duration::ZERO,
        job_elapsed: Duration::ZERO,
        estimate: Estimate::default(),
    };
    run.checkpoint(&checkpoint, &point).await.unwrap();
    // The end is written without a run.
    clock.advance(100);
    let delivery = stores::<DeliveryFunction>(&aws, &clock);
    let unattended = Unattended::new(
        delivery.jobs.clone(),
        delivery.events.clone(),
        delivery.waiting.clone(),
        delivery.queues.clone(),
        clock.clone(),
    );
    let loaded = delivery.jobs.load(&job.id).await.unwrap().expect("the job");
    let end = TerminalState::Cancelled;
    unattended.settle(&loaded, Some(&end)).await.unwrap();

    let events = aws.items::<JobEvents>();
    assert_eq!(events.len(), 3, "two messages and a checkpoint");
    let expires_at = START
        .plus_seconds(retention.seconds())
        .epoch_seconds()
        .to_string();
    for item in events.iter().chain(&aws.items::<Jobs>()) {
        assert_eq!(item["expires_at"]["N"], expires_at, "{item}");
    }
}
