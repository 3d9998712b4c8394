//! Calls that a policy denies: the client gets an error that names the cause, instead of silence or
//! the advice to retry.

use end_to_end::{System, needs};
use local_aws::Fault;
use serde_json::json;

/// The function cannot post its own reply, so API Gateway sends its error message.
#[tokio::test]
async fn client_gets_an_error_when_its_reply_is_denied() {
    needs!(InjectFaults);
    let system = System::start().await;
    system
        .local()
        .faults()
        .on_post(|post| (post.caller == "websocket").then_some(Fault::Denied));
    let mut client = system.connect().await;
    client.send(&json!({ "type": "ping" })).await;
    let answer = client.next().await.expect("an answer");
    assert_eq!(answer["message"], "Internal server error", "{answer}");
    assert!(answer["requestId"].is_string(), "{answer}");
    system.local().faults().clear();
    client.ask(&json!({ "type": "ping" }), "pong").await;
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn denied_subscription_names_the_policy_as_the_cause() {
    needs!(InjectFaults);
    let system = System::start().await;
    let mut client = system.connect().await;
    system
        .local()
        .faults()
        .on_call(|call| (call.caller == "websocket").then_some(Fault::Denied));
    let ping = json!({ "type": "ping", "request_id": "mine" });
    let error = client.ask(&ping, "error").await;
    assert_eq!(error["code"], "internal");
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains("a policy denies"), "{message}");
    assert!(!message.contains("try again"), "{message}");
    // The log record with the client's request id names the denied call.
    let logs = system.local().logs();
    let logged = logs.iter().find(|line| {
        line.text.contains("a request could not be served") && line.text.contains("mine")
    });
    let logged = &logged.expect("a log line").text;
    assert!(logged.contains("AccessDenied"), "{logged}");
    system.local().faults().clear();
    client.close().await;
    system.finish().await;
}
