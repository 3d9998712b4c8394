//! Building the functions, with a script in place of Cargo.

use std::{path::Path, process::Command};

use super::{
    fake::FakeAws,
    program::{Running, assert_failed, command},
};
use crate::program::script;

/// `infra-gen deploy` on a machine with cargo-lambda, whose build does this.
fn deploying(aws: &FakeAws, folder: &Path, build: &str) -> Command {
    let cargo = format!(
        "case \"$1 $2\" in\n\
         'lambda --version') echo cargo-lambda 1.9.1;;\n\
         'metadata --no-deps') echo '{{\"target_directory\":\"/nowhere\"}}';;\n\
         'lambda build') echo it builds >&2; {build};;\n\
         esac"
    );
    let mut command = command(&["deploy", "--yes", "--endpoint-url", &aws.url]);
    command.env("CARGO", script(folder, "cargo", &cargo));
    command
}

#[test]
fn what_a_failed_build_lacks_is_named_with_how_to_get_it() {
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
            "`cargo lambda build --release --locked --arm64",
            "`rustup target add aarch64-unknown-linux-gnu`",
            "zig, which links the functions",
            "`pip install cargo-lambda` brings it",
        ],
    );
}

#[test]
fn a_build_that_fails_for_other_reasons_is_not_explained_by_what_is_there() {
    let (aws, folder) = (FakeAws::new(), tempfile::tempdir().expect("a folder"));
    let rustc = script(folder.path(), "rustc", "echo /");
    script(folder.path(), "zig", "echo 0.15.1");
    let output = deploying(&aws, folder.path(), "exit 1")
        .env("RUSTC", rustc)
        .env("PATH", folder.path())
        .output()
        .expect("infra-gen starts");
    assert_failed(&output, &["what it said is above"]);
    assert!(!crate::program::stderr(&output).contains("what is missing"));
}

/// The signal that CI systems send, to infra-gen alone.
#[test]
fn a_build_is_stopped_with_the_deployment_that_it_is_for() {
    let (aws, folder) = (FakeAws::new(), tempfile::tempdir().expect("a folder"));
    let mut running = Running::start(deploying(&aws, folder.path(), "exec sleep 60"));
    running.wait_for("it builds");
    running.signal("TERM");
    let said = running.rest();
    assert!(
        said.contains("interrupted; the stack is as it was"),
        "{said}"
    );
}
