//! The build of the functions, with a script instead of Cargo.

use std::{path::Path, process::Command};

use serde_json::json;

use super::{
    fake::FakeAws,
    program::{Running, assert_failed, command},
};
use crate::program::script;

/// `infra-gen deploy` with a cargo-lambda whose build runs the shell command `build`.
fn deploying(aws: &FakeAws, folder: &Path, build: &str) -> Command {
    let executables = [
        "websocket",
        "jobs",
        "worker",
        "pipeline",
        "delivery",
        "webhooks",
    ]
    .map(|name| json!({"name": name, "kind": ["bin"]}));
    let packages = json!([{"name": "handlers", "targets": executables}]);
    let metadata = json!({"target_directory": "/nowhere", "packages": packages});
    let cargo = format!(
        "case \"$1 $2\" in\n\
         'lambda --version') echo cargo-lambda 1.9.1;;\n\
         'metadata --no-deps') echo '{metadata}';;\n\
         'lambda build') echo it builds >&2; {build};;\n\
         esac"
    );
    let mut command = command(&["deploy", "--yes", "--endpoint-url", &aws.url]);
    command.env("CARGO", script(folder, "cargo", &cargo));
    command
}

#[test]
fn failed_build_reports_missing_tools_with_how_to_get_them() {
    let (aws, folder) = (FakeAws::new(), tempfile::tempdir().expect("a folder"));
    let rustc = script(folder.path(), "rustc", "echo /nowhere/lib");
    let output = deploying(&aws, folder.path(), "exit 1")
        .env("RUSTC", rustc)
        .env("PATH", folder.path())
        .env_remove("CARGO_ZIGBUILD_ZIG_PATH")
        .output()
        .expect("infra-gen starts");
    assert_failed(
        &output,
        &[
            "`cargo lambda build --release --locked --arm64 --package handlers --bin websocket --bin jobs",
            "`rustup target add aarch64-unknown-linux-gnu`",
            "zig, which links the functions",
            "`pip install cargo-lambda` installs it",
        ],
    );
}

#[test]
fn failed_build_with_all_tools_reports_no_missing_tool() {
    let (aws, folder) = (FakeAws::new(), tempfile::tempdir().expect("a folder"));
    let rustc = script(folder.path(), "rustc", "echo /");
    script(folder.path(), "zig", "echo 0.15.1");
    let output = deploying(&aws, folder.path(), "exit 1")
        .env("RUSTC", rustc)
        .env("PATH", folder.path())
        .output()
        .expect("infra-gen starts");
    assert_failed(&output, &["its output is above"]);
    assert!(!crate::program::stderr(&output).contains("missing:"));
}

/// CI systems send SIGTERM to infra-gen alone.
#[test]
fn build_ends_with_its_deployment() {
    let (aws, folder) = (FakeAws::new(), tempfile::tempdir().expect("a folder"));
    let mut running = Running::start(deploying(&aws, folder.path(), "exec sleep 60"));
    running.wait_for("it builds");
    running.signal("TERM");
    let said = running.rest();
    assert!(
        said.contains("interrupted; the stack was not changed"),
        "{said}"
    );
}
