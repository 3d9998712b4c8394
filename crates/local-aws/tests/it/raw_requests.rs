//! Requests and frames that ordinary HTTP and WebSocket clients cannot send.

use local_aws::LocalStack;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::harness::{Socket, logged, start, within_timeout};

/// Sends bytes on a new connection. Returns status and body of the response.
async fn exchange(stack: &LocalStack, request: &[u8]) -> (u16, String) {
    let (_, authority) = stack.urls().http_api.split_once("://").expect("an address");
    let mut stream = TcpStream::connect(authority).await.expect("a connection");
    stream.write_all(request).await.expect("sent");
    let mut answer = Vec::new();
    within_timeout(stream.read_to_end(&mut answer))
        .await
        .expect("an answer");
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).expect("a status");
    (status.parse().expect("a number"), body.to_owned())
}

fn get(target: &str, more: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{more}\r\n").into()
}

#[tokio::test]
async fn every_valid_header_byte_reaches_the_function() {
    let stack = start().await;
    let mut request = get("/v1/echo/a", "content-type: text/plain;\tcharset=utf-8\r\n");
    request.truncate(request.len() - 2);
    request.extend(b"x-bytes: a\t\xe9\xff\r\ncookie: a=\xff\r\nuser-agent: \xff\r\n\r\n");
    let (status, body) = exchange(&stack, &request).await;
    assert_eq!(status, 200, "{body}");
    let event: Value = serde_json::from_str(&body).expect("JSON");
    let headers = &event["headers"];
    assert_eq!(headers["content-type"], "text/plain;\tcharset=utf-8");
    assert_eq!(headers["x-bytes"], "a\t\u{fffd}\u{fffd}");
}

#[tokio::test]
async fn absolute_targets_and_http_1_0_are_answered() {
    let stack = start().await;
    let absolute = get("http://localhost:4800/v1/echo/a?x=1", "");
    let old = b"GET /v1/echo/a?x=1 HTTP/1.0\r\n\r\n".to_vec();
    for (request, protocol) in [(absolute, "HTTP/1.1"), (old, "HTTP/1.0")] {
        let (status, body) = exchange(&stack, &request).await;
        assert_eq!(status, 200, "{body}");
        let event: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(event["rawPath"], "/v1/echo/a");
        assert_eq!(event["rawQueryString"], "x=1");
        assert_eq!(event["requestContext"]["http"]["protocol"], protocol);
    }
}

#[tokio::test]
async fn invalid_requests_are_client_errors() {
    let stack = start().await;
    let many = "x-many: 1\r\n".repeat(1000);
    let large = format!("x-large: {}\r\n", "x".repeat(1024 * 1024));
    for (what, request, expected) in [
        ("many headers", get("/", &many), 431),
        ("a large header", get("/", &large), 431),
        ("nonsense", b"nonsense\r\n\r\n".to_vec(), 400),
        (
            "no host",
            b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n".to_vec(),
            400,
        ),
        (
            "another absolute target",
            get("http://evil.example/config.json", ""),
            421,
        ),
    ] {
        let (status, body) = exchange(&stack, &request).await;
        assert_eq!(status, expected, "{what}: {body}");
    }
}

/// A client's frame, with a mask of zeros.
fn frame(first_byte: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("a short payload");
    [&[first_byte, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

#[tokio::test]
async fn invalid_frame_closes_with_the_code_of_its_fault() {
    let stack = start().await;
    let whole = [frame(0x81, b"a\xffb")].concat();
    let in_fragments = [frame(0x01, b"\xe2\x82"), frame(0x80, b"x")].concat();
    let cut_short = [frame(0x01, b"a"), frame(0x80, b"\xe2\x82")].concat();
    let reserved = frame(0xf1, b"a");
    let unmasked = b"\x81\x01a".to_vec();
    let unstarted = frame(0x80, b"a");
    for (what, bytes, code) in [
        ("text that is not UTF-8", whole, 1007),
        ("fragments that are not UTF-8", in_fragments, 1007),
        ("fragments that end within a character", cut_short, 1007),
        ("reserved bits", reserved, 1002),
        ("no mask", unmasked, 1002),
        ("a continuation of nothing", unstarted, 1002),
    ] {
        let mut socket = Socket::open(&stack.urls().websocket).await;
        socket.stream().write_all(&bytes).await.expect("sent");
        let closed = socket
            .close_frame()
            .await
            .map(|frame| u16::from(frame.code));
        assert_eq!(closed, Some(code), "{what}");
    }
}

#[tokio::test]
async fn fragmented_text_is_one_message() {
    let stack = start().await;
    let mut socket = Socket::open(&stack.urls().websocket).await;
    // The first fragment ends within a character, and a ping comes between the fragments.
    let bytes = [
        frame(0x01, b"{\"type\":\"echo\",\"x\":\"\xe2\x82"),
        frame(0x89, b"ping"),
        frame(0x80, b"\xac\"}"),
    ]
    .concat();
    socket.stream().write_all(&bytes).await.expect("sent");
    let event = socket.receive_after_pong().await;
    assert_eq!(event["body"], "{\"type\":\"echo\",\"x\":\"\u{20ac}\"}");
}

#[tokio::test]
async fn disconnect_event_has_the_code_of_invalid_text() {
    let stack = start().await;
    let mut socket = Socket::open(&stack.urls().websocket).await;
    let bytes = frame(0x81, b"\xff");
    socket.stream().write_all(&bytes).await.expect("sent");
    socket.close_frame().await;
    let event = logged(&stack, "disconnect ").await;
    assert_eq!(event["requestContext"]["disconnectStatusCode"], 1007);
}
