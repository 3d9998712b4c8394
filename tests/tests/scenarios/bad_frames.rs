//! Invalid frames and messages of clients.

use end_to_end::{Closed, System, needs, script::Script};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn invalid_message_gets_an_error_on_an_open_connection() {
    let system = System::scripted().await;
    let job = system.create_scripted(&Script::default()).await;
    let mut client = system.connect().await;
    let cases: &[(&str, &str)] = &[
        ("hello", "invalid_json"),
        ("", "invalid_json"),
        ("[1,2]", "invalid_json"),
        ("{\"type\":", "invalid_json"),
        ("{}", "invalid_message"),
        ("{\"type\":7}", "invalid_message"),
        ("{\"type\":\"subscribbe\"}", "unknown_type"),
        ("{\"type\":\"subscribe\"}", "invalid_message"),
        ("{\"type\":\"subscribe\",\"job_id\":7}", "invalid_message"),
        (
            "{\"type\":\"subscribe\",\"job_id\":\"nonsense\"}",
            "invalid_message",
        ),
        (
            "{\"type\":\"subscribe\",\"job_id\":\"job_1_a\",\"after_seq\":-1}",
            "invalid_message",
        ),
        (
            "{\"type\":\"subscribe\",\"job_id\":\"job_1_a\",\"access_key\":\"k\"}",
            "forbidden",
        ),
        (
            "{\"type\":\"subscribe\",\"job_id\":\"job_1_a\"}",
            "forbidden",
        ),
        (
            "{\"type\":\"request_status\",\"job_id\":\"job_1_a\"}",
            "forbidden",
        ),
    ];
    for (frame, code) in cases {
        client.send_frame(Message::text(*frame)).await;
        let error = client.expect("error").await;
        assert_eq!(error["code"], *code, "{frame}: {error}");
        assert!(error["request_id"].is_string(), "{error}");
        assert!(!error["message"].as_str().unwrap().is_empty(), "{error}");
    }
    let wrong_key = json!({ "type": "subscribe", "job_id": job.id, "access_key": "wrong" });
    let error = client.ask(&wrong_key, "error").await;
    assert_eq!(error["code"], "forbidden");

    client
        .ask(
            &json!({ "type": "ping", "request_id": "still here" }),
            "pong",
        )
        .await;
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn message_cannot_select_a_lifecycle_route() {
    needs!(KeepLifecycleRoutes);
    let system = System::start().await;
    let mut client = system.connect().await;
    for kind in ["$connect", "$disconnect", "$default"] {
        let error = client.ask(&json!({ "type": kind }), "error").await;
        assert_eq!(error["code"], "unknown_type", "{kind}");
    }
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn binary_and_huge_frames_close_only_their_own_connection() {
    needs!(RefuseFrames);
    let system = System::scripted().await;
    let job = system.create_scripted(&Script::default()).await;
    let mut other = system.watch(&job).await;

    let mut binary = system.connect().await;
    binary.send_frame(Message::binary(vec![1, 2, 3])).await;
    assert_eq!(binary.next().await, Err(Closed::Code(1003)));

    let mut huge = system.connect().await;
    let frame = json!({ "type": "ping", "filling": "x".repeat(200_000) });
    huge.send_frame(Message::text(frame.to_string())).await;
    assert_eq!(huge.next().await, Err(Closed::Code(1009)));

    let messages: Vec<Value> = other.until_job_ends().await;
    assert_eq!(messages.last().unwrap()["type"], "job_complete");
    other.close().await;
    system.finish().await;
}

#[tokio::test]
async fn oversized_message_is_rejected_with_the_limit() {
    let system = System::start().await;
    let mut client = system.connect().await;
    let large = json!({ "type": "ping", "filling": "x".repeat(20_000) });
    let error = client.ask(&large, "error").await;
    assert_eq!(error["code"], "message_too_large");
    assert_eq!(error["details"]["max_bytes"], 8192);
    client.close().await;
    system.finish().await;
}
