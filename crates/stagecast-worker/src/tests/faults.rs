//! Calls to AWS that fail or whose responses are lost, one after the other.

use std::collections::BTreeSet;

use local_aws::Fault;
use serde_json::{Value, json};
use stagecast_contract::{
    queues::DeliveryQueue,
    tables::{JobEvents, Jobs},
};
use stagecast_testing::{
    fixtures::{TestJob, external_job, subscribed},
    http_api::Answer,
};

use super::{Site, job_complete, progress, stage_complete, types};

#[tokio::test]
async fn repeat_commits_the_stage_when_the_commit_failed() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    subscribed(&site.aws, &site.clock, &job, "c1").await;
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "dynamodb:UpdateItem"
    });
    let stage = json!([stage_complete("a", 1)]);

    let failed = site.post(&job, 1, 0, stage.clone()).await;
    let logged = site.log();
    let other = site.post(&job, 1, 0, json!([stage_complete("b", 2)])).await;
    let repeat = site.post(&job, 1, 0, stage).await;

    failed.refused(500, "internal");
    assert_eq!(types(&logged), ["stage_complete"]);
    other.refused(409, "seq_conflict");
    assert_eq!(repeat.accepted()["seq"], 1);
    assert_eq!(site.log(), logged, "what is in the log stays");
    assert_eq!(site.aws.take_messages("c1"), logged);
}

#[tokio::test]
async fn repeat_redelivers_the_stage_after_a_lost_commit_response() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    subscribed(&site.aws, &site.clock, &job, "c1").await;
    site.aws.fail(0..1, Fault::LostResponse, |call| {
        call.operation == "dynamodb:UpdateItem"
    });
    let stage = json!([stage_complete("a", 1)]);

    let lost = site.post(&job, 1, 0, stage.clone()).await;
    let repeat = site.post(&job, 1, 0, stage).await;

    lost.refused(500, "internal");
    assert_eq!(repeat.accepted()["seq"], 1);
    assert_eq!(site.log().len(), 1);
    assert!(site.aws.take_messages("c1").is_empty());
    assert_eq!(site.deliveries()[0]["after_seq"], 0);
    assert_eq!(site.deliveries()[0]["through_seq"], 1);
}

#[tokio::test(start_paused = true)]
async fn writes_are_retried_on_conflicts_with_a_transaction() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;

    for (seq, events) in [
        (0, json!([progress("a", 50)])),
        (0, json!([])),
        (0, json!([stage_complete("a", 1)])),
        (1, json!([job_complete()])),
    ] {
        site.aws.fail(0..3, Fault::Conflict, |call| {
            call.operation == "dynamodb:UpdateItem"
        });
        site.post(&job, 1, seq, events).await.accepted();
    }
    assert_eq!(types(&site.log()), ["stage_complete", "job_complete"]);
}

#[tokio::test]
async fn progress_whose_response_was_lost_may_be_repeated() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    site.aws.fail(0..1, Fault::LostResponse, |call| {
        call.operation == "dynamodb:UpdateItem"
    });

    let lost = site.post(&job, 1, 0, json!([progress("a", 50)])).await;
    let repeat = site.post(&job, 1, 0, json!([progress("a", 50)])).await;

    lost.refused(500, "internal");
    repeat.accepted();
    assert_eq!(site.item()["progress"]["N"], "50");
}

/// Repeats a request until it is accepted, as a worker does. It repeats only after an internal error.
async fn send_until_accepted(mut send: impl AsyncFnMut() -> Answer) -> Value {
    for _ in 0..5 {
        let answer = send().await;
        if answer.status == 200 {
            return answer.json();
        }
        answer.refused(500, "internal");
    }
    panic!("one fault is met more than once");
}

/// A worker that claims the job, runs its two stages and completes it.
async fn run(site: &Site, job: &TestJob) {
    let claim = json!({"stages": ["a", "b"], "worker_id": "worker-7"});
    let claimed = send_until_accepted(async || site.claim_with(job, &claim).await).await;
    let epoch = claimed["epoch"].as_u64().unwrap();
    for (seq, events) in [
        (0, json!([progress("a", 50)])),
        (0, json!([stage_complete("a", 1)])),
        (1, json!([stage_complete("b", 2), job_complete()])),
    ] {
        send_until_accepted(async || site.post(job, epoch, seq, events.clone()).await).await;
    }
}

/// The durable messages that the connection has received, or that are queued for it.
fn delivered(site: &Site, job: &TestJob, connection_id: &str) -> BTreeSet<u64> {
    let messages = site.aws.take_messages(connection_id);
    let mut seqs: BTreeSet<u64> = messages
        .iter()
        .filter(|message| message["type"] != "progress_update")
        .filter_map(|message| message["seq"].as_u64())
        .collect();
    for task in site.aws.queued::<DeliveryQueue>() {
        if task["job_id"] == job.id.as_str() && task["content"]["watchdog"].is_null() {
            let after = task["after_seq"].as_u64().unwrap();
            seqs.extend(after + 1..=task["through_seq"].as_u64().unwrap_or(3));
        }
    }
    seqs
}

/// Runs one job for each of its calls, and injects `fault` into that call. In each case, the job completes,
/// and each durable message is logged once and reaches the subscriber.
async fn job_completes_despite(fault: Fault) {
    let site = Site::new();
    let (aws, clock) = (&site.aws, &site.clock);
    for number in 0..u8::MAX {
        let job = external_job(aws, clock, number).await;
        let connection = format!("c{number}");
        subscribed(aws, clock, &job, &connection).await;
        let index = usize::from(number);
        aws.fail(index..index + 1, fault, |call| call.caller == "worker");
        aws.calls().clear();

        run(&site, &job).await;

        let calls = aws.calls().count(|call| call.caller == "worker");
        aws.faults().clear();
        let is_own = |item: &Value| item["job_id"]["S"] == job.id.as_str();
        let jobs = aws.items::<Jobs>();
        let status = &jobs.iter().find(|item| is_own(item)).unwrap()["status"]["S"];
        assert_eq!(status, "completed", "call {number}");
        let logged = aws.items::<JobEvents>();
        // The item of the checkpoint, which each claim after the first writes, is beside the log.
        let is_logged = |event: &&Value| is_own(event) && event["percent"].is_null();
        let logged = logged.iter().filter(is_logged).count();
        assert_eq!(logged, 3, "call {number}");
        let delivered = delivered(&site, &job, &connection);
        assert_eq!(delivered, BTreeSet::from([1, 2, 3]), "call {number}");
        if calls <= index as u64 {
            assert!(number > 10, "a job takes more calls than {number}");
            return;
        }
    }
    panic!("a job takes fewer calls");
}

#[tokio::test(start_paused = true)]
async fn job_completes_when_any_call_fails() {
    job_completes_despite(Fault::Outage).await;
}

#[tokio::test(start_paused = true)]
async fn job_completes_when_any_response_is_lost() {
    job_completes_despite(Fault::LostResponse).await;
}
