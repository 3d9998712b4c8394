//! The local stack.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Duration,
};

use contract::functions;
use infra_gen::{environments::Environment, stack, template::Format};
use local::{LocalStack, Options};
use tempfile::TempDir;

/// Starts a local stack with options.
pub(crate) async fn start(
    binaries: impl Into<PathBuf>,
    adjust: impl FnOnce(&mut Options),
) -> LocalStack {
    let template = stack::synthesize(&Environment::dev()).expect("the stack synthesizes");
    let template = template
        .to_json(Format::CloudFormation)
        .expect("the template renders");
    let mut options = Options::new(template, binaries);
    // Unoptimised, on a machine that has more to do, functions take longer than as they are deployed.
    for (function, seconds) in [
        ("websocket", 29),
        ("jobs", 29),
        ("worker", 29),
        ("delivery", 90),
    ] {
        let timeout = Duration::from_secs(seconds);
        options
            .function_timeouts
            .insert(function.to_owned(), timeout);
    }
    adjust(&mut options);
    LocalStack::start(options).await.expect("the stack starts")
}

/// The functions' binaries, with the scripted pipeline in the place of the reference pipeline, and
/// scripts in the place of its inputs.
pub(crate) fn scripted_binaries() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for function in functions::ALL {
        let real = match function.name {
            "pipeline" => "scripted_pipeline",
            "jobs" => "scripted_jobs",
            name => name,
        };
        std::os::unix::fs::symlink(binaries().join(real), folder.path().join(function.name))
            .expect("a link");
    }
    folder
}

/// [`scripted_binaries`], but the pipeline gets one processor: what it computes takes turns with what
/// reports its progress.
#[cfg(unix)]
pub(crate) fn scripted_binaries_on_one_core() -> TempDir {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = scripted_binaries();
    let pipeline = folder.path().join("pipeline");
    let real = std::fs::read_link(&pipeline).expect("a link");
    std::fs::remove_file(&pipeline).expect("the link can go");
    let real = real.display();
    // Where there is no `taskset`, the number of tokio's threads has to do.
    let script = format!(
        "#!/bin/sh\n\
         export TOKIO_WORKER_THREADS=1\n\
         command -v taskset >/dev/null || exec '{real}'\n\
         first=$(sed -n 's/^Cpus_allowed_list:[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/self/status)\n\
         exec taskset -c \"$first\" '{real}'\n"
    );
    std::fs::write(&pipeline, script).expect("the script is written");
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&pipeline, executable).expect("the script may be run");
    folder
}

/// The folder with the functions' binaries, up to date with the sources.
///
/// `STAGECAST_BIN_DIR` names one that is ready; without it the binaries are built here, which does
/// nothing after `cargo test --workspace` has built them.
pub(crate) fn binaries() -> &'static Path {
    static BINARIES: OnceLock<PathBuf> = OnceLock::new();
    BINARIES.get_or_init(|| {
        if let Some(folder) = std::env::var_os("STAGECAST_BIN_DIR") {
            return folder.into();
        }
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(["build", "--workspace", "--bins", "--quiet"])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        // What cargo told this test about its package would be news to the build scripts of
        // others, and they would run again.
        for (name, _) in std::env::vars_os() {
            let name_text = name.to_string_lossy();
            if name_text.starts_with("CARGO_PKG_") || name_text.starts_with("CARGO_MANIFEST_") {
                cargo.env_remove(name);
            }
        }
        let built = cargo.status().expect("cargo runs");
        assert!(built.success(), "the functions are built");
        let test = std::env::current_exe().expect("the test's own path");
        let folder = test.parent().and_then(Path::parent).expect("target/debug");
        folder.to_owned()
    })
}
