//! Local stacks and their function binaries.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Duration,
};

use local_aws::{LocalStack, Options};
use stagecast_infra::{environments::Environment, stack, template::Format};
use tempfile::TempDir;

/// Starts a local stack with options.
pub(crate) async fn start(
    binaries: impl Into<PathBuf>,
    adjust: impl FnOnce(&mut Options),
) -> LocalStack {
    let template = stack::synthesize(infra_gen::project(), &Environment::dev())
        .expect("the stack synthesizes");
    let template = template
        .to_json(Format::CloudFormation)
        .expect("the template renders");
    let mut options = Options::new(template, binaries);
    options.stack_name = infra_gen::project().local_stack_name();
    // Unoptimised functions on a busy machine need more time than deployed ones.
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

/// A folder with links to the functions' binaries, with the scripted versions of `pipeline` and `jobs`.
pub(crate) fn scripted_binaries() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for function in contract::PRODUCT.all_functions() {
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

/// [`scripted_binaries`], but the pipeline has one processor, so that a stage's computation competes
/// with the reporting of its progress.
#[cfg(unix)]
pub(crate) fn scripted_binaries_on_one_core() -> TempDir {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = scripted_binaries();
    let pipeline = folder.path().join("pipeline");
    let real = std::fs::read_link(&pipeline).expect("a link");
    std::fs::remove_file(&pipeline).expect("the link is removed");
    let real = real.display();
    // Without `taskset`, only the number of tokio's threads is limited.
    let script = format!(
        "#!/bin/sh\n\
         export TOKIO_WORKER_THREADS=1\n\
         command -v taskset >/dev/null || exec '{real}'\n\
         first=$(sed -n 's/^Cpus_allowed_list:[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/self/status)\n\
         exec taskset -c \"$first\" '{real}'\n"
    );
    std::fs::write(&pipeline, script).expect("the script is written");
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&pipeline, executable).expect("the script is executable");
    folder
}

/// The folder with up-to-date binaries of the functions.
///
/// Uses the folder in `STAGECAST_BIN_DIR`, or else runs `cargo build`, which is quick if `cargo test
/// --workspace` has built the binaries.
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
        // Cargo's variables about this test's package would make the build scripts of other packages
        // run again.
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
