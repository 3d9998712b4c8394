//! Tasks for progress, which are dropped once newer progress or a durable message exists.

use local_aws::Fault;
use stagecast_contract::{
    messages::WorkAmount,
    queues::{DeliveryKind, DeliveryTask},
};
use stagecast_core::{delivery::Publisher, models::TerminalState, stores::ProgressPoint};
use stagecast_testing::fixtures::{TestJob, claimed, json};
use stagecast_testing::product::PipelineFunction;

use super::{Site, log_task};

fn progress_task(job: &TestJob, after_seq: u64) -> DeliveryTask {
    DeliveryTask {
        content: DeliveryKind::Progress,
        ..log_task(job, after_seq)
    }
}

async fn report(run: &mut Publisher<PipelineFunction>, progress: u8) {
    let point = ProgressPoint {
        stage: "a".to_owned(),
        progress,
        overall_progress: progress / 2,
        message: "Working...".to_owned(),
        estimated_seconds_remaining: None,
        work: WorkAmount::default(),
    };
    run.report(&point).await.expect("progress can be reported");
}

/// The percentages that the connection has received since the last call.
fn percentages(site: &Site, connection_id: &str) -> Vec<u64> {
    let messages = site.aws.take_messages(connection_id);
    let percentages = messages.iter().map(|message| message["progress"].as_u64());
    percentages.map(Option::unwrap_or_default).collect()
}

#[tokio::test]
async fn progress_at_the_time_of_the_receive_is_sent() {
    let site = Site::new();
    let job = site.job().await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    report(&mut run, 10).await;
    report(&mut run, 60).await;
    site.subscribe(&job, "c1").await;

    let done = site.deliver(&progress_task(&job, 0)).await;

    assert!(done);
    assert_eq!(percentages(&site, "c1"), [60]);
}

#[tokio::test]
async fn progress_is_dropped_once_a_durable_message_has_followed() {
    let site = Site::new();
    let job = site.job().await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    report(&mut run, 60).await;
    run.finish_stage("a", None, json("1")).await.unwrap();
    site.subscribe(&job, "c1").await;

    let outdated = site.deliver(&progress_task(&job, 0)).await;
    let sent = percentages(&site, "c1");
    site.deliver(&progress_task(&job, 1)).await;

    assert!(outdated);
    assert!(sent.is_empty());
    assert_eq!(percentages(&site, "c1"), [100]);
}

#[tokio::test]
async fn delayed_progress_is_dropped_once_newer_progress_exists() {
    let site = Site::new();
    let job = site.job().await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    site.subscribe(&job, "c1").await;
    // The task was sent at the start.
    report(&mut run, 10).await;
    site.clock.advance(11);
    run.flush().await;
    percentages(&site, "c1");

    let done = site.deliver(&progress_task(&job, 0)).await;
    let last_before_a_silence = percentages(&site, "c1");
    report(&mut run, 20).await;
    run.flush().await;
    percentages(&site, "c1");
    let dropped = site.deliver(&progress_task(&job, 0)).await;

    assert!(done && dropped);
    assert_eq!(last_before_a_silence, [10]);
    assert!(percentages(&site, "c1").is_empty());
}

#[tokio::test]
async fn progress_of_an_ended_job_is_dropped() {
    let site = Site::new();
    let job = site.job().await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    report(&mut run, 10).await;
    let completed = TerminalState::Completed;
    run.end(&completed, None, None).await.unwrap();
    site.subscribe(&job, "c1").await;

    for after_seq in [0, 1] {
        assert!(site.deliver(&progress_task(&job, after_seq)).await);
    }

    assert!(percentages(&site, "c1").is_empty());
}

#[tokio::test(start_paused = true)]
async fn progress_that_cannot_be_posted_is_not_repeated() {
    let site = Site::new();
    let job = site.job().await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    report(&mut run, 10).await;
    site.subscribe(&job, "c1").await;

    for fault in [Fault::Outage, Fault::Hang] {
        site.aws.faults().on_post(move |_| Some(fault));
        assert!(site.deliver(&progress_task(&job, 0)).await, "{fault:?}");
    }

    assert!(site.queued().is_empty());
}
