//! The HTTP API: events in payload format 2.0, and API Gateway's own responses.

use http::{Method, StatusCode};
use serde_json::json;

use crate::harness::{eventually, get, options, send, start, start_with};

#[tokio::test]
async fn request_becomes_an_event_of_payload_format_2() {
    let stack = start().await;
    let url = format!("{}/v1/echo/a%20name?x=1&x=2&y=", stack.urls().http_api);
    let headers = [
        ("content-type", "application/json"),
        ("cookie", "a=1; b=2"),
        ("user-agent", "tests"),
        ("X-Many", "first"),
        ("X-Many", "second"),
    ];
    let answer = send(Method::POST, &url, &headers, r#"{"k":"v"}"#).await;
    assert_eq!(answer.status, StatusCode::OK);
    let event = answer.json();
    assert_eq!(event["version"], "2.0");
    assert_eq!(event["routeKey"], "POST /v1/echo/{name}");
    assert_eq!(event["rawPath"], "/v1/echo/a%20name");
    assert_eq!(event["rawQueryString"], "x=1&x=2&y=");
    assert_eq!(event["pathParameters"], json!({"name": "a name"}));
    assert_eq!(event["queryStringParameters"], json!({"x": "1,2", "y": ""}));
    assert_eq!(event["cookies"], json!(["a=1", "b=2"]));
    assert_eq!(event["headers"]["x-many"], "first,second");
    assert_eq!(event["body"], r#"{"k":"v"}"#);
    assert_eq!(event["isBase64Encoded"], false);
    let context = &event["requestContext"];
    assert_eq!(context["stage"], "$default");
    assert_eq!(context["apiId"], "httpapi");
    assert_eq!(context["http"]["method"], "POST");
    assert_eq!(context["http"]["sourceIp"], "127.0.0.1");
    assert_eq!(context["http"]["userAgent"], "tests");
    let arrived = context["timeEpoch"].as_u64().expect("a time");
    let deadline = answer.header("x-deadline").expect("a deadline");
    let timeout = 60_000;
    assert!(deadline.parse::<u64>().expect("a time") >= arrived + timeout);
}

#[tokio::test]
async fn binary_body_is_passed_as_base64() {
    let stack = start().await;
    let url = format!("{}/v1/echo/image", stack.urls().http_api);
    let headers = [("content-type", "image/png")];
    let event = send(Method::POST, &url, &headers, &[0x89, b'P'][..])
        .await
        .json();
    assert_eq!(event["body"], "iVA=");
    assert_eq!(event["isBase64Encoded"], true);
}

#[tokio::test]
async fn response_has_status_headers_cookies_and_bytes() {
    let stack = start().await;
    let answer = get(&format!("{}/v1/echo/cookies", stack.urls().http_api)).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.header("x-request-id"), Some("req_1"));
    let cookies = answer
        .headers
        .get_all("set-cookie")
        .iter()
        .collect::<Vec<_>>();
    assert_eq!(cookies, ["a=1", "b=2"]);
    assert_eq!(&answer.body[..], [0, 1, 2]);
}

#[tokio::test]
async fn result_without_a_status_becomes_the_body_of_a_200() {
    let stack = start().await;
    let answer = get(&format!("{}/v1/echo/bare", stack.urls().http_api)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json()["no"], "status");
}

#[tokio::test]
async fn unknown_path_gets_the_not_found_of_api_gateway() {
    let stack = start().await;
    let answer = get(&format!("{}/v2/nothing", stack.urls().http_api)).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(answer.json(), json!({"message": "Not Found"}));
}

#[tokio::test]
async fn function_errors_are_internal_server_errors() {
    let stack = start().await;
    for what in ["fail", "large"] {
        let answer = get(&format!("{}/v1/echo/{what}", stack.urls().http_api)).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{what}");
        assert_eq!(
            answer.json(),
            json!({"message": "Internal Server Error"}),
            "{what}"
        );
    }
}

#[tokio::test]
async fn crash_gives_the_next_request_a_new_process() {
    let stack = start().await;
    let answer = get(&format!("{}/v1/echo/crash", stack.urls().http_api)).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    let answer = get(&format!("{}/v1/echo/again", stack.urls().http_api)).await;
    assert_eq!(answer.status, StatusCode::OK);
    let said = stack
        .logs()
        .into_iter()
        .find(|line| line.text.contains("exit status: 3"));
    assert!(said.is_some(), "the log says how the process ended");
}

#[tokio::test]
async fn function_over_its_timeout_is_killed() {
    let mut options = options();
    let timeout = std::time::Duration::from_millis(200);
    options.function_timeouts.insert("echo".to_owned(), timeout);
    let stack = start_with(options).await;
    let answer = get(&format!("{}/v1/echo/sleep", stack.urls().http_api)).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    eventually(|| {
        let logs = stack.logs();
        logs.iter()
            .any(|line| line.text.contains("timed out after 200ms"))
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn request_fails_when_its_function_is_killed() {
    let stack = start().await;
    let url = format!("{}/v1/echo/sleep", stack.urls().http_api);
    let request = tokio::spawn(async move { get(&url).await });
    // Wait until the process has the event.
    get(&format!("{}/v1/echo/warm", stack.urls().http_api)).await;
    eventually(|| {
        stack.kill("echo");
        request.is_finished().then_some(())
    })
    .await;
    let answer = request.await.expect("answered");
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn body_over_the_limit_is_too_large() {
    let stack = start().await;
    let url = format!("{}/v1/echo/large-body", stack.urls().http_api);
    // One body is over Lambda's 6 MB only in Base64, the other over API Gateway's 10 MB.
    for bytes in [5 * 1024 * 1024, 11 * 1024 * 1024] {
        let answer = send(Method::POST, &url, &[], vec![0; bytes]).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{bytes}");
        assert_eq!(
            answer.json(),
            json!({"message": "Request Entity Too Large"})
        );
    }
    let answer = send(Method::POST, &url, &[], vec![0; 4 * 1024 * 1024]).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn preflight_is_answered_from_the_cors_configuration() {
    let stack = start().await;
    let url = format!("{}/v1/echo/x", stack.urls().http_api);
    let method = ("access-control-request-method", "POST");
    let headers = [("origin", "https://app.example.com"), method];
    let answer = send(Method::OPTIONS, &url, &headers, "").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    let allowed = answer.header("access-control-allow-origin");
    assert_eq!(allowed, Some("https://app.example.com"));
    assert_eq!(
        answer.header("access-control-allow-methods"),
        Some("GET,POST")
    );
    assert_eq!(answer.header("access-control-max-age"), Some("600"));
    let headers = [("origin", "https://evil.example.com"), method];
    let answer = send(Method::OPTIONS, &url, &headers, "").await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn response_to_an_allowed_origin_has_cors_headers() {
    let stack = start().await;
    let url = format!("{}/v1/echo/x", stack.urls().http_api);
    let headers = [("origin", "https://app.example.com")];
    let answer = send(Method::GET, &url, &headers, "").await;
    let allowed = answer.header("access-control-allow-origin");
    assert_eq!(allowed, Some("https://app.example.com"));
    assert_eq!(
        answer.header("access-control-expose-headers"),
        Some("x-request-id")
    );
}
