//! Failing stages, crashing stages and failing posts.

use std::sync::Arc;

use end_to_end::{
    System, needs,
    script::{Gate, Script, StageResult, StageScript},
};
use local_aws::{Fault, Times};
use serde_json::Value;

#[tokio::test]
async fn failed_stage_ends_the_job_and_blocks_no_other_job() {
    let system = System::scripted().await;
    let gate = Gate::closed();
    let failing = StageScript {
        then: StageResult::Fail("out_of_paper".to_owned()),
        ..StageScript::slow(2, 50)
    };
    let script = Script {
        stage_2: failing,
        ..Script::default()
    };
    let job = system.create_scripted(&script.behind(&gate)).await;
    let mut client = system.watch(&job).await;
    gate.open();
    let failed = client.until_job_ends().await.pop().unwrap();
    assert_eq!(failed["type"], "job_failed");
    assert_eq!(failed["error"]["code"], "out_of_paper");
    assert_eq!(failed["error"]["message"], "The script says so.");
    assert_eq!(failed["stage"], "stage_2");
    assert_eq!(failed["seq"], 2);

    let gate = Gate::closed();
    let script = Script::default().behind(&gate);
    let next = system.create_scripted(&script).await;
    let subscribed = client.ask(&next.subscribe(), "subscribed").await;
    gate.open();
    assert_eq!(subscribed["job_id"], next.id);
    assert_eq!(
        client.until_job_ends().await.pop().unwrap()["type"],
        "job_complete"
    );
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn oversized_failure_is_sent_truncated() {
    let system = System::scripted().await;
    let script = Script {
        stage_1: StageScript {
            then: StageResult::Fail("out_of_paper_".repeat(20_000)),
            ..StageScript::default()
        },
        ..Script::default()
    };
    let (_, mut client) = system.create_and_watch(script).await;
    let failed = client.until_job_ends().await.pop().unwrap();
    let code = failed["error"]["code"].as_str().unwrap();
    assert!(code.starts_with("out_of_paper_out"), "{code}");
    assert!(
        code.len() <= stagecast_contract::limits::MAX_NAME_BYTES,
        "{code}"
    );
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn panicking_stage_fails_the_job() {
    let system = System::scripted().await;
    let script = Script {
        stage_1: StageScript {
            then: StageResult::Panic,
            ..StageScript::default()
        },
        ..Script::default()
    };
    let (_, mut client) = system.create_and_watch(script).await;
    let failed = client.until_job_ends().await.pop().unwrap();
    assert_eq!(failed["type"], "job_failed");
    assert_eq!(failed["error"]["code"], "stage_panicked");
    assert_eq!(failed["stage"], "stage_1");
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn failed_posts_are_retried_and_do_not_stop_the_job() {
    needs!(InjectFaults);
    let system = System::scripted().await;
    let script = Script {
        stage_1: StageScript::slow(10, 100),
        ..Script::default()
    };
    let gate = Gate::closed();
    let script = script.behind(&gate);
    let job = system.create_scripted(&script).await;
    let mut client = system.watch(&job).await;
    let storm = Arc::new(Times::new(6));
    system.local().faults().on_post(move |post| {
        (post.caller == "pipeline" && storm.take()).then_some(Fault::Throttle)
    });
    gate.open();
    let messages = client.until_job_ends().await;
    assert_eq!(messages.last().unwrap()["type"], "job_complete");
    let seqs: Vec<_> = messages
        .iter()
        .filter(|message| message["type"] != "progress_update")
        .map(|message| message["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(seqs, [1, 2, 3]);
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn failed_posts_arrive_later_without_a_request_of_the_client() {
    needs!(InjectFaults);
    let system = System::scripted().await;
    let script = Script {
        stage_1: StageScript::slow(2, 50),
        ..Script::default()
    };
    // All posts of the pipeline fail; those of the delivery function succeed.
    system
        .local()
        .faults()
        .on_post(|post| (post.caller == "pipeline").then_some(Fault::Outage));
    let (job, mut client) = system.create_and_watch(script).await;
    let connection_id = system.local().connection_ids().pop();
    let mut seqs = Vec::new();
    while seqs.iter().max() != Some(&3) {
        let message = client.next().await.unwrap();
        if message["type"] != "progress_update" {
            seqs.push(message["seq"].as_u64().unwrap());
        }
    }
    // A delivery task may be received twice; the first copies are in order.
    let mut first = Vec::new();
    for seq in seqs {
        if !first.contains(&seq) {
            first.push(seq);
        }
    }
    assert_eq!(first, [1, 2, 3]);
    // The log has everything that an investigation needs.
    let failed: Vec<Value> = system
        .local()
        .logs()
        .iter()
        .filter(|line| line.text.contains("a message could not be sent"))
        .map(|line| serde_json::from_str(&line.text).expect("a log line is JSON"))
        .filter(|line: &Value| line["seq"].is_u64())
        .collect();
    let first = failed.first().expect("a log line of a durable message");
    assert_eq!(first["job_id"], job.id, "{first}");
    assert_eq!(first["connection_id"].as_str(), connection_id.as_deref());
    assert!(first["correlation_id"].is_string(), "{first}");
    assert!(first["attempts"].as_u64() > Some(1), "{first}");
    assert!(
        !first["cause"].as_str().unwrap_or_default().is_empty(),
        "{first}"
    );
    client.close().await;
    system.finish().await;
}
