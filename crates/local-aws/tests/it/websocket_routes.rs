//! The WebSocket API: handshakes, routes, limits and closing.

use std::time::Duration;

use http::StatusCode;
use local_aws::WebSocketLimits;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use crate::harness::{Socket, eventually, logged, options, start, start_with};

#[tokio::test]
async fn connect_event_has_the_headers_and_the_query() {
    let stack = start().await;
    let url = format!("{}?order_id=o-1&order_id=o-2", stack.urls().websocket);
    Socket::open(&url).await;
    let event = logged(&stack, "connect ").await;
    assert_eq!(event["queryStringParameters"], json!({"order_id": "o-2"}));
    let many = &event["multiValueQueryStringParameters"];
    assert_eq!(*many, json!({"order_id": ["o-1", "o-2"]}));
    assert_eq!(event["headers"]["Sec-WebSocket-Version"], "13");
    assert_eq!(
        event["multiValueHeaders"]["Sec-WebSocket-Version"],
        json!(["13"])
    );
    let context = &event["requestContext"];
    assert_eq!(context["routeKey"], "$connect");
    assert_eq!(context["eventType"], "CONNECT");
    assert_eq!(context["messageDirection"], "IN");
    assert_eq!(context["stage"], "live");
    assert_eq!(context["apiId"], "websocketapi");
    assert_eq!(context["identity"]["sourceIp"], "127.0.0.1");
    assert_eq!(event["isBase64Encoded"], false);
}

#[tokio::test]
async fn connection_exists_only_after_connect_returns() {
    let stack = start().await;
    Socket::open(&stack.urls().websocket).await;
    let outcome = eventually(|| {
        let logs = stack.logs();
        let line = logs
            .iter()
            .find(|line| line.text.starts_with("a post within"));
        line.map(|line| line.text.clone())
    });
    assert_eq!(outcome.await, "a post within $connect succeeds: false");
}

#[tokio::test]
async fn connect_response_is_the_handshake_response() {
    let stack = start().await;
    let url = &stack.urls().websocket;
    let (status, body) = Socket::rejected(&format!("{url}?answer=403")).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(body["message"], "Forbidden");
    let (status, _) = Socket::rejected(&format!("{url}?answer=429")).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    let (status, body) = Socket::rejected(&format!("{url}?throw=1")).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert_eq!(body["message"], "Internal server error");
    assert!(stack.connection_ids().is_empty());
}

#[tokio::test]
async fn unknown_stage_is_forbidden() {
    let stack = start().await;
    let url = stack.urls().websocket.replace("/live", "/test");
    let (status, body) = Socket::rejected(&url).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(body, json!({"message": "Forbidden"}));
}

#[tokio::test]
async fn messages_are_routed_by_their_type() {
    let stack = start().await;
    let mut socket = Socket::open(&stack.urls().websocket).await;
    for (message, route) in [
        (r#"{"type":"echo"}"#, "echo"),
        (r#"{"type":"other"}"#, "$default"),
        (r#"{"type":{"not":"text"}}"#, "$default"),
        ("not JSON", "$default"),
        (r#"{"type":"$connect"}"#, "$default"),
    ] {
        socket.send(message).await;
        let event = socket.receive().await;
        assert_eq!(event["requestContext"]["routeKey"], route, "{message}");
        assert_eq!(event["requestContext"]["eventType"], "MESSAGE");
        assert!(event["requestContext"]["messageId"].is_string());
        assert_eq!(event["body"], message);
        assert_eq!(event.get("headers"), None, "messages carry no headers");
        assert_eq!(event.get("queryStringParameters"), None);
    }
}

#[tokio::test]
async fn message_error_is_sent_and_the_connection_stays_open() {
    let stack = start().await;
    let mut socket = Socket::open(&stack.urls().websocket).await;
    let id = socket.id().await;
    socket.send(r#"{"type":"echo","then":"fail"}"#).await;
    let error = socket.receive().await;
    assert_eq!(error["message"], "Internal server error");
    assert_eq!(error["connectionId"], *id);
    assert!(error["requestId"].is_string());
    assert_eq!(socket.id().await, id);
}

#[tokio::test]
async fn binary_message_closes_with_1003() {
    let stack = start().await;
    let mut socket = Socket::open(&stack.urls().websocket).await;
    socket.send(Message::binary(vec![1, 2, 3])).await;
    assert_eq!(
        socket
            .close_frame()
            .await
            .map(|frame| u16::from(frame.code)),
        Some(1003)
    );
    let event = logged(&stack, "disconnect ").await;
    assert_eq!(event["requestContext"]["disconnectStatusCode"], 1003);
}

#[tokio::test]
async fn frame_over_32_kb_closes_with_1009() {
    let stack = start().await;
    let mut socket = Socket::open(&stack.urls().websocket).await;
    let largest = format!(
        r#"{{"type":"echo","fill":"{}"}}"#,
        "x".repeat(32 * 1024 - 25)
    );
    assert_eq!(largest.len(), 32 * 1024);
    socket.send(largest.clone()).await;
    assert_eq!(socket.receive().await["body"], *largest);
    socket.send(largest + " ").await;
    assert_eq!(
        socket
            .close_frame()
            .await
            .map(|frame| u16::from(frame.code)),
        Some(1009)
    );
}

#[tokio::test]
async fn fragmented_message_over_128_kb_closes_with_1009() {
    let stack = start().await;
    let mut socket = Socket::open(&stack.urls().websocket).await;
    // A text message in five frames of 30 KB each, with masks of zeros.
    let payload = vec![b' '; 30 * 1024];
    for index in 0..5_u8 {
        let opcode = u8::from(index == 0);
        let length = u16::try_from(payload.len()).expect("16 bits").to_be_bytes();
        let head = [opcode, 0xfe, length[0], length[1], 0, 0, 0, 0];
        // The server may close the connection before the last one.
        let _ = socket.stream().write_all(&head).await;
        let _ = socket.stream().write_all(&payload).await;
    }
    assert_eq!(
        socket
            .close_frame()
            .await
            .map(|frame| u16::from(frame.code)),
        Some(1009)
    );
}

#[tokio::test]
async fn disconnect_event_has_the_close_code_and_reason() {
    let stack = start().await;
    let mut socket = Socket::open(&stack.urls().websocket).await;
    let id = socket.id().await;
    let frame = CloseFrame {
        code: CloseCode::Library(4001),
        reason: "done".into(),
    };
    socket.close(Some(frame)).await;
    let event = logged(&stack, "disconnect ").await;
    let context = &event["requestContext"];
    assert_eq!(context["routeKey"], "$disconnect");
    assert_eq!(context["eventType"], "DISCONNECT");
    assert_eq!(context["connectionId"], *id);
    assert_eq!(context["disconnectStatusCode"], 4001);
    assert_eq!(context["disconnectReason"], "done");
    assert!(stack.connection_ids().is_empty());
}

#[tokio::test]
async fn disconnect_event_follows_a_broken_connection() {
    let stack = start().await;
    let socket = Socket::open(&stack.urls().websocket).await;
    drop(socket);
    let event = logged(&stack, "disconnect ").await;
    assert_eq!(event["requestContext"]["disconnectStatusCode"], 1006);
}

#[tokio::test]
async fn idle_and_old_connections_are_closed() {
    let short = Duration::from_millis(300);
    let long = Duration::from_hours(1);
    for (idle, lifetime) in [(short, long), (long, short)] {
        let mut options = options();
        options.websocket = WebSocketLimits {
            idle,
            lifetime,
            ..WebSocketLimits::default()
        };
        let stack = start_with(options).await;
        let mut socket = Socket::open(&stack.urls().websocket).await;
        assert_eq!(
            socket
                .close_frame()
                .await
                .map(|frame| u16::from(frame.code)),
            Some(1001)
        );
        let event = logged(&stack, "disconnect ").await;
        assert_eq!(event["requestContext"]["disconnectStatusCode"], 1001);
    }
}

#[tokio::test]
async fn connect_chooses_the_subprotocol() {
    let stack = start().await;
    let url = format!("{}?protocol=shop.v1", stack.urls().websocket);
    let request =
        tokio_tungstenite::tungstenite::ClientRequestBuilder::new(url.parse().expect("an address"))
            .with_sub_protocol("shop.v1");
    let (_, response) = tokio_tungstenite::connect_async(request)
        .await
        .expect("connected");
    assert_eq!(response.headers()["sec-websocket-protocol"], "shop.v1");
}
