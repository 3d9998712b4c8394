//! `@connections` over plain HTTP: statuses, headers, bodies, limits and faults.

use std::time::Duration;

use http::{Method, StatusCode};
use local_aws::{Fault, Times, WebSocketLimits};
use serde_json::json;

use crate::harness::{
    Socket, connection_url, encoded, expect_lost_response, get, logged, options, send, start,
    start_with, within_timeout,
};

#[tokio::test]
async fn post_reaches_the_client() {
    let stack = start().await;
    let mut socket = Socket::open(&stack.urls().websocket).await;
    let url = connection_url(&stack, &socket.id().await);
    let answer = send(Method::POST, &url, &[], "hello").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.body.is_empty());
    assert_eq!(socket.receive_text().await, "hello");
}

#[tokio::test]
async fn posts_arrive_in_order() {
    let stack = start().await;
    let mut socket = Socket::open(&stack.urls().websocket).await;
    let url = connection_url(&stack, &socket.id().await);
    for number in 0..50 {
        send(Method::POST, &url, &[], number.to_string()).await;
    }
    for number in 0..50 {
        assert_eq!(socket.receive_text().await, number.to_string());
    }
}

#[tokio::test]
async fn get_describes_a_connection() {
    let stack = start().await;
    let mut socket = Socket::open(&stack.urls().websocket).await;
    let answer = get(&connection_url(&stack, &socket.id().await)).await;
    assert_eq!(answer.status, StatusCode::OK);
    let about = answer.json();
    assert_eq!(about["identity"]["sourceIp"], "127.0.0.1");
    assert!(
        about["connectedAt"]
            .as_str()
            .is_some_and(|time| time.ends_with('Z'))
    );
    assert!(about["lastActiveAt"].is_string());
}

#[tokio::test]
async fn deleted_connection_is_closed_and_gone() {
    let stack = start().await;
    let mut socket = Socket::open(&stack.urls().websocket).await;
    let url = connection_url(&stack, &socket.id().await);
    let answer = send(Method::DELETE, &url, &[], "").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    let answer = send(Method::POST, &url, &[], "late").await;
    assert_eq!(answer.status, StatusCode::GONE);
    assert_eq!(answer.header("x-amzn-errortype"), Some("GoneException"));
    assert!(answer.body.is_empty());
    assert_eq!(
        socket
            .close_frame()
            .await
            .map(|frame| u16::from(frame.code)),
        Some(1000)
    );
    let event = logged(&stack, "disconnect ").await;
    assert_eq!(event["requestContext"]["disconnectStatusCode"], 1000);
}

#[tokio::test]
async fn malformed_id_is_a_bad_request_and_unknown_id_is_gone() {
    let stack = start().await;
    let answer = send(Method::POST, &connection_url(&stack, "abc"), &[], "x").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        answer.json(),
        json!({"message": "Invalid connectionId: abc"})
    );
    assert_eq!(
        answer.header("x-amzn-errortype"),
        Some("BadRequestException")
    );
    let answer = send(
        Method::POST,
        &connection_url(&stack, "BFHPhfCWIAMCKlQ="),
        &[],
        "x",
    )
    .await;
    assert_eq!(answer.status, StatusCode::GONE);
}

#[tokio::test]
async fn path_without_the_stage_is_forbidden() {
    let stack = start().await;
    let endpoint = &stack.urls().endpoint_url;
    let id = "BFHPhfCWIAMCKlQ%3D";
    for path in [
        "websocketapi/@connections",
        "websocketapi/test/@connections",
    ] {
        let url = format!("{endpoint}/_aws/execute-api/{path}/{id}");
        let answer = send(Method::POST, &url, &[], "x").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(
            answer.header("x-amzn-errortype"),
            Some("ForbiddenException")
        );
    }
}

#[tokio::test]
async fn message_of_128_kb_is_the_largest() {
    let stack = start().await;
    let mut socket = Socket::open(&stack.urls().websocket).await;
    let url = connection_url(&stack, &socket.id().await);
    let largest = "x".repeat(131_072);
    let answer = send(Method::POST, &url, &[], largest.clone()).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(socket.receive_text().await, largest);
    let answer = send(Method::POST, &url, &[], largest + "x").await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(
        answer.header("x-amzn-errortype"),
        Some("PayloadTooLargeException")
    );
}

#[tokio::test]
async fn client_that_does_not_read_fills_its_buffer() {
    let mut options = options();
    options.websocket = WebSocketLimits {
        client_buffer_bytes: 256 * 1024,
        ..WebSocketLimits::default()
    };
    let stack = start_with(options).await;
    let mut slow = Socket::open(&stack.urls().websocket).await;
    let mut other = Socket::open(&stack.urls().websocket).await;
    let (slow_url, other_url) = (
        connection_url(&stack, &slow.id().await),
        connection_url(&stack, &other.id().await),
    );
    let message = "x".repeat(128 * 1024);
    let refused = within_timeout(async {
        loop {
            let answer = send(Method::POST, &slow_url, &[], message.clone()).await;
            if answer.status != StatusCode::OK {
                return answer;
            }
        }
    });
    let refused = refused.await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        refused.header("x-amzn-errortype"),
        Some("LimitExceededException")
    );
    let answer = send(Method::POST, &other_url, &[], "quick").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(other.receive_text().await, "quick");
}

#[tokio::test]
async fn fault_applies_to_as_many_posts_as_its_budget() {
    let stack = start().await;
    let mut socket = Socket::open(&stack.urls().websocket).await;
    let id = socket.id().await;
    let url = connection_url(&stack, &id);
    let times = Times::new(2);
    stack
        .faults()
        .on_post(move |post| (post.connection_id == id && times.take()).then_some(Fault::Throttle));
    for expected in [429, 429, 200] {
        let answer = send(Method::POST, &url, &[], "x").await;
        assert_eq!(answer.status.as_u16(), expected);
    }
    for (fault, status) in [
        (Fault::Status(410), 410),
        (Fault::Outage, 500),
        (Fault::Status(503), 503),
        (Fault::Delay(Duration::from_millis(1)), 200),
    ] {
        stack.faults().on_post(move |_| Some(fault));
        let answer = send(Method::POST, &url, &[], "x").await;
        assert_eq!(answer.status.as_u16(), status, "{fault:?}");
    }
}

#[tokio::test]
async fn post_arrives_when_its_response_is_lost() {
    let stack = start().await;
    let mut socket = Socket::open(&stack.urls().websocket).await;
    let url = connection_url(&stack, &socket.id().await);
    let times = Times::new(1);
    stack
        .faults()
        .on_post(move |_| times.take().then_some(Fault::LostResponse));
    expect_lost_response(Method::POST, &url, "hello").await;
    assert_eq!(socket.receive_text().await, "hello");
}

#[tokio::test]
async fn queued_messages_are_sent_before_the_connection_closes() {
    let stack = start().await;
    let mut socket = Socket::open(&stack.urls().websocket).await;
    let url = connection_url(&stack, &socket.id().await);
    for number in 0..5 {
        send(Method::POST, &url, &[], number.to_string()).await;
    }
    send(Method::DELETE, &url, &[], "").await;
    for number in 0..5 {
        assert_eq!(socket.receive_text().await, number.to_string());
    }
    assert!(socket.close_frame().await.is_some());
}

/// boto3's documentation uses the WebSocket URL's host and stage as the endpoint.
#[tokio::test]
async fn connections_api_is_served_below_the_websocket_url() {
    let stack = start().await;
    let mut socket = Socket::open(&stack.urls().websocket).await;
    let id = encoded(&socket.id().await);
    let endpoint = stack.urls().websocket.replacen("ws", "http", 1);
    // The signature must not route the request to S3.
    let signed = [("authorization", "AWS4-HMAC-SHA256 Credential=x/y")];
    for (number, keyword) in ["@connections", "%40connections"].into_iter().enumerate() {
        let url = format!("{endpoint}/{keyword}/{id}");
        let answer = send(Method::POST, &url, &signed, number.to_string()).await;
        assert_eq!(answer.status, StatusCode::OK, "{url}");
        assert_eq!(socket.receive_text().await, number.to_string());
    }
    let elsewhere = format!("{}/other/@connections/{id}", stack.urls().http_api);
    let answer = send(Method::POST, &elsewhere, &signed, "x").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}
