//! The executable's output on start, and on an error.

use std::{os::unix::fs::symlink, path::Path, process::Stdio};

use local::Urls;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::Command,
};

use crate::harness::{binaries, get, start, within_timeout};

/// A folder with an executable for each function of the contract.
fn functions() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let echo = binaries().join("echo");
    for function in contract::functions::ALL {
        symlink(&echo, folder.path().join(function.name)).expect("a link");
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
    let config = get(&format!("{}/config.json", urls.http_api)).await.json();
    assert_eq!(
        config,
        json!({
            "http_api": urls.http_api,
            "websocket": urls.websocket,
            "input": contract::input::INPUT,
        })
    );
    let job = get(&format!("{}/v1/jobs/job_1", urls.http_api))
        .await
        .json();
    assert_eq!(job["routeKey"], "GET /v1/jobs/{job_id}");
    child.kill().await.expect("it ends");
    let mut rest = String::new();
    output.read_to_string(&mut rest).await.expect("the rest");
    assert_eq!(rest, "", "nothing else is printed");
}

#[tokio::test]
async fn port_in_use_is_reported_in_one_line() {
    let stack = start().await;
    let port = stack.urls().http_api.rsplit_once(':').expect("a port").1;
    let folder = functions();
    let output = within_timeout(local(folder.path(), port).output())
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
