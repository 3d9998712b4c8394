//! Runs infra-gen against the fake.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, ChildStderr, Command, Output, Stdio},
    thread,
    time::Duration,
};

use super::fake::{FakeAws, Stack};
use crate::program::{infra_gen, stderr, stdout};

/// infra-gen with keys and a region, isolated from this machine's configuration.
pub(super) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_infra-gen"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        command.env_remove(name);
    }
    command
        .args(arguments)
        .env("AWS_ACCESS_KEY_ID", "key")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_CONFIG_FILE", "/nowhere")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env_remove("RUST_LOG")
        .stdin(Stdio::null());
    command
}

pub(super) fn run(aws: &FakeAws, arguments: &[&str]) -> Output {
    let arguments = [arguments, &["--endpoint-url", &aws.url]].concat();
    command(&arguments).output().expect("infra-gen starts")
}

/// A folder with an executable for each function.
pub(super) fn binaries() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for function in contract::PRODUCT.all_functions() {
        let mut executable = b"\x7fELF\x02\x01\x01".to_vec();
        executable.resize(18, 0);
        // The machine number of arm64.
        executable.extend([0xb7, 0]);
        // The rest of the ELF header: no sections.
        executable.resize(64, 0);
        executable.extend(function.name.as_bytes());
        fs::write(folder.path().join(function.name), executable).expect("writable");
    }
    folder
}

/// The command that deploys existing executables, with more arguments.
pub(super) fn deploy_command(aws: &FakeAws, binaries: &Path, more: &[&str]) -> Command {
    let folder = binaries.to_str().expect("a name in UTF-8");
    let fixed = ["deploy", "--binaries", folder, "--endpoint-url", &aws.url];
    command(&[&fixed, more].concat())
}

pub(super) fn deploy(aws: &FakeAws, more: &[&str]) -> Output {
    let binaries = binaries();
    let mut command = deploy_command(aws, binaries.path(), more);
    command.output().expect("infra-gen starts")
}

/// A running command.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    stderr: BufReader<ChildStderr>,
}

impl Running {
    pub(super) fn start(mut command: Command) -> Self {
        let mut child = command
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("infra-gen starts");
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        Self { child, stderr }
    }

    /// Waits for a line with this text on standard error.
    #[track_caller]
    pub(super) fn wait_for(&mut self, text: &str) {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            let length = self.stderr.read_line(&mut line).expect("readable");
            assert_ne!(length, 0, "it ended before it printed '{text}'");
        }
    }

    /// Sends a signal: INT, like Ctrl-C, or TERM.
    pub(super) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let killed = Command::new("kill").args(["-s", name, &id]).status();
        assert!(killed.expect("kill starts").success());
    }

    /// Waits for the end with exit code 1, and returns the rest of standard error.
    #[track_caller]
    pub(super) fn rest(mut self) -> String {
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).expect("readable");
        let status = self.child.wait().expect("it ends");
        assert_eq!(status.code(), Some(1), "{rest}");
        rest
    }
}

/// Sends Ctrl-C after a line with `text`, and returns the rest of standard error.
#[track_caller]
pub(super) fn interrupted_at(command: Command, text: &str) -> String {
    let mut running = Running::start(command);
    running.wait_for(text);
    running.signal("INT");
    running.rest()
}

/// Waits until an operation has been called.
pub(super) fn wait_for_call(aws: &FakeAws, operation: &str) {
    while aws.count(operation) == 0 {
        thread::sleep(Duration::from_millis(10));
    }
}

/// The template of the code, with one text replaced by another.
pub(super) fn template(text: &str, other: &str) -> String {
    let output = infra_gen(&["synth", "--stdout", "--format", "cloudformation"]);
    let template = stdout(&output);
    assert!(template.contains(text), "{text}");
    template.replace(text, other)
}

/// The stack of `dev`, deployed from the template of the code with one text replaced.
pub(super) fn stack(status: &str, (text, other): (&str, &str)) -> Stack {
    Stack {
        name: "stagecast-dev".to_owned(),
        status: status.to_owned(),
        template: template(text, other),
        description: "Stagecast: streams live progress of long-running jobs".to_owned(),
        parameters: [
            ("NameSuffix", ""),
            ("ArtifactBucket", "earlier"),
            ("WebsocketCodeKey", "earlier"),
            ("JobsCodeKey", "earlier"),
            ("PipelineCodeKey", "earlier"),
            ("WorkerCodeKey", "earlier"),
            ("DeliveryCodeKey", "earlier"),
            ("WebhooksCodeKey", "earlier"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec(),
        ..Stack::default()
    }
}

/// Replaces a comment only.
pub(super) const SAME: (&str, &str) = ("# Generated", "# An earlier one, generated");

/// Asserts exit code 1, the texts on standard error, and that there was no panic.
#[track_caller]
pub(super) fn assert_failed(output: &Output, sentences: &[&str]) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for sentence in sentences {
        assert!(said.contains(sentence), "'{sentence}' is not in:\n{said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}
