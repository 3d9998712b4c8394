//! The functions' logs.

use end_to_end::{
    System, needs,
    script::{self, Gate, Script, StageScript},
};
use http::Method;
use serde_json::Value;
use stagecast_contract::timestamp::Timestamp;

#[tokio::test]
async fn log_lines_are_json_with_a_time_and_without_keys() {
    needs!(ReadLogs);
    let system = System::scripted_with(|options| {
        for function in contract::PRODUCT.all_functions() {
            let level = [("LOG_LEVEL".to_owned(), "debug,hyper=info".to_owned())];
            options
                .environment
                .insert(function.name.to_owned(), level.into());
        }
    })
    .await;
    let job = system.create_scripted(&Script::default()).await;
    let mut in_url = end_to_end::Client::connect(&job.url()).await.unwrap();
    in_url.send(&serde_json::json!({ "type": "ping" })).await;
    let mut client = system.watch(&job).await;
    client.until_job_ends().await;
    // Keys in the wrong fields.
    for field in ["type", "job_id", "after_seq"] {
        let mut swapped = job.subscribe();
        swapped[field] = job.key.as_str().into();
        client.ask(&swapped, "error").await;
    }
    let path = format!("/v1/jobs/{}", job.key);
    let refused = system.http.with_key(Method::GET, &path, &job.key).await;
    assert_eq!(refused.status, 400);
    client.close().await;
    in_url.close().await;

    let (external, mut worker) = system.create_external("").await;
    worker.claim(&["a"]).await;
    worker
        .post_events(serde_json::json!([{ "type": "job_complete" }]))
        .await;

    let lines = system.local().logs();
    assert!(!lines.is_empty());
    let mut about_the_job = 0;
    for line in &lines {
        let record: Value = serde_json::from_str(&line.text)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {}", line.text));
        let time = record["timestamp"].as_str().unwrap_or_default();
        assert!(time.parse::<Timestamp>().is_ok(), "no time: {}", line.text);
        for key in [&job.key, &external.key, &worker.key] {
            assert!(!line.text.contains(key), "a key in a log: {}", line.text);
        }
        // At this level, the SDK logs records in its own spans.
        let target = record["target"].as_str().unwrap_or_default();
        let is_ours = target.starts_with("pipeline") || target.starts_with("stagecast_core");
        if is_ours && line.text.contains(&job.id) {
            about_the_job += 1;
            if line.function != "pipeline" {
                continue;
            }
            let span = &record["span"];
            assert_eq!(span["job_id"], job.id, "{record}");
            assert!(
                span["request_id"].as_str().unwrap().starts_with("req_"),
                "{record}"
            );
            assert!(span["correlation_id"].is_string(), "{record}");
        }
    }
    assert!(about_the_job > 0);
    system.finish().await;
}

#[tokio::test]
async fn run_logs_its_delivery_stats_as_one_metric_record() {
    needs!(ReadLogs);
    let system = System::scripted().await;
    let script = Script {
        stage_1: StageScript::slow(10, 50),
        ..Script::default()
    };
    let (job, mut client) = system.create_and_watch(script).await;
    let received = client.until_job_ends().await.len() as u64;
    let records = |system: &System| -> Vec<Value> {
        let lines = system.local().logs().into_iter();
        lines
            .filter(|line| line.function == "pipeline")
            .filter_map(|line| serde_json::from_str(&line.text).ok())
            .filter(|record: &Value| record["_aws"].is_object())
            .collect()
    };
    system
        .eventually("the run has written its metrics", async |system| {
            !records(system).is_empty()
        })
        .await;
    let records = records(&system);
    assert_eq!(records.len(), 1);
    assert_eq!(records[0]["job_id"], job.id);
    assert_eq!(records[0]["Subscribers"], 1);
    assert_eq!(records[0]["MessagesDeferred"], 0);
    // The client may have disconnected before a last progress update, so more may have been sent.
    assert!(
        records[0]["MessagesSent"].as_u64().unwrap() >= received,
        "{records:?}"
    );
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn correlation_id_of_a_request_is_in_all_messages_and_logs() {
    needs!(ReadLogs);
    let system = System::scripted().await;
    let headers = [
        ("content-type", script::MEDIA_TYPE),
        ("x-correlation-id", "order-4711"),
    ];
    let gate = Gate::closed();
    let body = Script::default().behind(&gate).body();
    let made = system
        .http
        .request(Method::POST, "/v1/jobs", &headers, body)
        .await;
    let job = system.job(&made);
    let mut client = system.watch(&job).await;
    gate.open();
    let messages = client.until_job_ends().await;
    for message in &messages {
        assert_eq!(message["correlation_id"], "order-4711", "{message}");
    }
    let logs = system.local().logs();
    let is_logged = logs.iter().any(|line| {
        line.function == "pipeline" && line.text.contains(r#""correlation_id":"order-4711""#)
    });
    assert!(is_logged, "{logs:#?}");
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn client_leaving_after_a_ping_logs_no_error() {
    needs!(ReadLogs);
    let system = System::start().await;
    let mut client = system.connect().await;
    client
        .ask(&serde_json::json!({ "type": "ping" }), "pong")
        .await;
    for _ in 0..100 {
        client.send(&serde_json::json!({ "type": "ping" })).await;
    }
    client.drop_connection();
    system.wait_until_clean("the client").await;
    // Messages that arrived before the disconnect are served after it.
    let served = |system: &System| {
        let is_ping = |call: &local_aws::Call| {
            call.caller == "websocket" && call.operation == "execute-api:ManageConnections"
        };
        system.local().calls().count(is_ping)
    };
    system
        .eventually("every ping is served", async |system| served(system) > 100)
        .await;
    let errors: Vec<_> = system
        .local()
        .logs()
        .into_iter()
        .filter(|line| line.text.contains(r#""level":"ERROR""#))
        .collect();
    assert!(
        errors.is_empty(),
        "{} lines: {:#?}",
        errors.len(),
        errors.first()
    );
    system.finish().await;
}
