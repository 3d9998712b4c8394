//! The executables of the functions.

use std::path::PathBuf;

use tempfile::TempDir;

/// The executables that replace functions where a scenario runs scripts.
const SCRIPTED: [(&str, &str); 2] = [("pipeline", "scripted_pipeline"), ("jobs", "scripted_jobs")];

/// The folder with all executables.
pub(crate) fn all() -> PathBuf {
    let functions = contract::PRODUCT.all_functions();
    let functions = functions.iter().map(|function| function.name);
    let names = functions.chain(SCRIPTED.map(|(_, executable)| executable));
    stagecast_scenarios::executables::build(env!("CARGO_MANIFEST_DIR"), names)
}

/// A folder with links to the functions' executables, with the scripted versions of `pipeline` and `jobs`.
pub(crate) fn scripted() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for function in contract::PRODUCT.all_functions() {
        let replaced = SCRIPTED.iter().find(|(name, _)| *name == function.name);
        let executable = replaced.map_or(function.name, |(_, executable)| executable);
        std::os::unix::fs::symlink(all().join(executable), folder.path().join(function.name))
            .expect("a link");
    }
    folder
}

/// [`scripted`], but the pipeline has one processor, so that a stage's computation competes with the
/// reporting of its progress.
#[cfg(unix)]
pub(crate) fn scripted_on_one_core() -> TempDir {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = scripted();
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
