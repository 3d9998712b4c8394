//! The executable's output on start, and on an error.

#![cfg(unix)]

use std::{
    fs::{self, Permissions},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Stdio,
    time::Duration,
};

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use local_aws::Urls;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::Command,
};

/// Time limit of a wait. Generous, so that it is reached only if the event never comes, even on a busy
/// machine.
const TIMEOUT: Duration = Duration::from_mins(3);

/// A folder with an executable for each function of the contract. No test invokes them.
fn functions() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for function in contract::PRODUCT.all_functions() {
        let path = folder.path().join(function.name);
        fs::write(&path, "#!/bin/sh\nexec sleep 600\n").expect("written");
        fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("executable");
    }
    folder
}

fn local(binaries: &Path, port: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local"));
    command
        .arg("--bin-dir")
        .arg(binaries)
        .args(["--json", "--port", port]);
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn get(url: &str) -> (StatusCode, Value) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let response = client.get(url.parse().expect("a URL"));
    let response = within_timeout(response).await.expect("a response");
    let status = response.status();
    let body = response.into_body().collect().await.expect("a body");
    (
        status,
        serde_json::from_slice(&body.to_bytes()).unwrap_or_default(),
    )
}

async fn within_timeout<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(TIMEOUT, future)
        .await
        .expect("the event comes within the timeout")
}

#[tokio::test]
async fn ready_stack_prints_its_addresses_as_one_line_of_json() {
    let folder = functions();
    let mut child = local(folder.path(), "0").spawn().expect("it starts");
    let mut output = BufReader::new(child.stdout.take().expect("its output"));
    let mut line = String::new();
    within_timeout(output.read_line(&mut line))
        .await
        .expect("a line");
    let urls = serde_json::from_str::<Urls>(&line).expect("its addresses");
    let (status, config) = get(&format!("{}/config.json", urls.http_api)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        config,
        json!({
            "http_api": urls.http_api,
            "websocket": urls.websocket,
            "input": contract::INPUT,
        })
    );
    child.kill().await.expect("it ends");
    let mut rest = String::new();
    output.read_to_string(&mut rest).await.expect("the rest");
    assert_eq!(rest, "", "nothing else is printed");
}

/// What the library says, with the names of the command line's options.
#[tokio::test]
async fn port_in_use_is_reported_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let folder = functions();
    let output = within_timeout(local(folder.path(), &port).output())
        .await
        .expect("it ends");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        format!(
            "error: port {port} is in use: stop the process that listens there, or choose another \
             with --port\n"
        )
    );
}

#[tokio::test]
async fn missing_executable_error_names_the_option_for_its_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = within_timeout(local(folder.path(), "0").output())
        .await
        .expect("it ends");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("has no executable at"), "{error}");
    assert!(
        error.ends_with("name its folder with --bin-dir\n"),
        "{error}"
    );
}
