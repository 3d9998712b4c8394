//! Progress updates.

use std::time::Duration;

use end_to_end::{
    System, needs,
    script::{Gate, Script, StageScript},
    worker::progress,
};
use local_aws::{Fault, Times};
use serde_json::{Value, json};

fn of_type<'a>(messages: &'a [Value], kind: &str) -> Vec<&'a Value> {
    messages
        .iter()
        .filter(|message| message["type"] == kind)
        .collect()
}

#[tokio::test]
async fn progress_updates_are_sent_at_start_during_and_end_of_stages() {
    let system = System::scripted().await;
    let script = Script {
        // Slow enough that no update is coalesced with the next one.
        stage_1: StageScript::slow(5, 1000),
        stage_2: StageScript::slow(5, 1000),
    };
    let (_, mut client) = system.create_and_watch(script).await;
    let messages = client.until_job_ends().await;
    let updates = of_type(&messages, "progress_update");
    for stage in ["stage_1", "stage_2"] {
        let percents: Vec<_> = updates
            .iter()
            .filter(|update| update["stage"] == stage)
            .map(|update| update["progress"].as_u64().unwrap())
            .collect();
        assert!(
            percents.is_sorted(),
            "progress never goes back: {percents:?}"
        );
        assert_eq!(percents.last(), Some(&100), "{stage} reports its end");
        assert!(
            percents.iter().any(|percent| (1..100).contains(percent)),
            "{stage} reports while it runs: {percents:?}"
        );
    }
    let started = updates
        .iter()
        .any(|update| update["stage"] == "stage_2" && update["progress"] == 0);
    assert!(started, "the start of stage_2 is reported");
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn progress_updates_have_stage_percentage_estimate_and_all_else() {
    let system = System::scripted().await;
    let script = Script {
        stage_1: StageScript::slow(20, 100),
        ..Script::default()
    };
    let (job, mut client) = system.create_and_watch(script).await;
    let messages = client.until_job_ends().await;
    let updates = of_type(&messages, "progress_update");
    for update in &updates {
        assert_eq!(update["job_id"], job.id);
        assert!(update["stage"].is_string());
        assert!(update["progress"].as_u64().unwrap() <= 100);
        assert!(update["overall_progress"].as_u64().unwrap() <= 100);
        assert!(update["message"].is_string());
        assert!(update["seq"].is_u64());
        assert!(
            update["correlation_id"]
                .as_str()
                .unwrap()
                .starts_with("req_")
        );
        let remaining = &update["estimated_seconds_remaining"];
        assert!(remaining.is_null() || remaining.is_u64(), "{remaining}");
        let timestamp = update["timestamp"].as_str().unwrap();
        assert!(
            timestamp.ends_with('Z') && timestamp.len() == 20,
            "{timestamp}"
        );
    }
    assert!(
        updates
            .iter()
            .any(|update| update["estimated_seconds_remaining"].is_u64()),
        "a stage of more than two seconds is long enough for an estimate"
    );
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn subscription_stored_during_a_report_includes_it() {
    needs!(InjectFaults, CountCalls);
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    // The subscription is stored only after the worker's last report.
    let storing = |call: &local_aws::Call| {
        call.caller == "websocket" && call.operation == "dynamodb:TransactWriteItems"
    };
    let once = Times::new(1);
    system.local().faults().on_call(move |call| {
        let delay = Fault::Delay(Duration::from_secs(3));
        (storing(call) && once.take()).then_some(delay)
    });
    let mut client = system.connect().await;
    client.send(&job.subscribe()).await;
    system
        .eventually("the subscription is being stored", async |system| {
            system.local().calls().count(storing) > 0
        })
        .await;
    worker.claim(&["a"]).await;
    worker.post_events(json!([progress("a", 50)])).await;
    let subscribed = client.expect("subscribed").await;
    assert_eq!(subscribed["status"]["progress"], 50, "{subscribed}");
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn subscriber_between_two_reports_gets_the_second() {
    needs!(AdjustStack);
    // One process, with a cached list of subscribers.
    let system = System::start_with(|options| options.concurrency = 1).await;
    let (job, mut worker) = system.create_external("").await;
    worker.claim(&["a"]).await;
    worker.post_events(json!([progress("a", 10)])).await;
    let mut client = system.watch(&job).await;
    worker.post_events(json!([progress("a", 20)])).await;
    assert_eq!(client.next().await.expect("a message")["progress"], 20);
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn subscriber_of_a_short_stage_sees_its_progress() {
    let system = System::scripted().await;
    let script = Script {
        // Shorter than the second for which a list of subscribers is cached.
        stage_1: StageScript::slow(6, 100),
        ..Script::default()
    };
    let gate = Gate::closed();
    let job = system.create_scripted(&script.behind(&gate)).await;
    // The pipeline has reported the start of the stage to an empty list of subscribers.
    let mut client = system.watch_started(&job).await;
    gate.open();
    let messages = client.until_job_ends().await;
    let is_update =
        |message: &&Value| message["type"] == "progress_update" && message["stage"] == "stage_1";
    assert!(
        messages.iter().any(|message| is_update(&message)),
        "{messages:#?}"
    );
    client.close().await;
    system.finish().await;
}
