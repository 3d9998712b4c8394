//! Building the functions with cargo-lambda, which links against Lambda's glibc and knows how to
//! build for the other processor.

use std::{
    env, io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use crate::environments::Architecture;

/// Why there are no executables.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// cargo-lambda is not installed.
    #[error(
        "cargo-lambda is not installed, and it builds the functions\n  what to do: `pip install \
         cargo-lambda`, which brings the linker (zig) too, or `cargo install --locked cargo-lambda` \
         and zig from https://ziglang.org/download; or build the functions yourself and give their \
         folder with --binaries"
    )]
    NoCargoLambda,
    /// Cargo does not start.
    #[error("cargo does not start: {0}")]
    Start(#[from] io::Error),
    /// The build failed.
    #[error("`{command}` failed ({status}); what it said is above{missing}")]
    Failed {
        /// What was run.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it needs and this machine lacks, a line each.
        missing: String,
    },
    /// Cargo has not said where it puts what it builds.
    #[error("`cargo metadata` does not say where Cargo puts what it builds: {0}")]
    NoTargetDirectory(String),
}

/// Builds functions of the workspace with this root and returns the folder with their executables. A caller that stops waiting for that
/// stops the build.
pub async fn build(
    functions: &[&'static str],
    architecture: Architecture,
    workspace: &Path,
) -> Result<PathBuf, BuildError> {
    require_cargo_lambda()?;
    // An executable for one processor must not be taken for one for the other.
    let folder = target_directory(workspace)?
        .join("lambda")
        .join(architecture.name());
    let flag = match architecture {
        Architecture::Arm64 => "--arm64",
        Architecture::X86_64 => "--x86-64",
    };
    let mut arguments = vec!["lambda", "build", "--release", "--locked", flag];
    for function in functions {
        arguments.extend(["--package", function]);
    }
    let status = tokio::process::Command::from(cargo())
        .kill_on_drop(true)
        .args(&arguments)
        .arg("--lambda-dir")
        .arg(&folder)
        .current_dir(workspace)
        .stdin(Stdio::null())
        // Standard output is for what is asked for, such as --json.
        .stdout(io::stderr())
        .status()
        .await?;
    if status.success() {
        return Ok(folder);
    }
    let command = format!("cargo {}", arguments.join(" "));
    Err(BuildError::Failed {
        command,
        status,
        missing: missing(architecture),
    })
}

fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// What a build for an architecture needs and this machine lacks.
fn missing(architecture: Architecture) -> String {
    let target = match architecture {
        Architecture::Arm64 => "aarch64-unknown-linux-gnu",
        Architecture::X86_64 => "x86_64-unknown-linux-gnu",
    };
    let standard_library = lacks_target(target).then(|| {
        format!(
            "\n  what is missing: Rust's standard library for {target}\n  what to do: `rustup target \
             add {target}`"
        )
    });
    let zig = (!has_zig()).then(|| {
        "\n  what is missing: zig, which links the functions\n  what to do: `pip install \
         cargo-lambda` brings it, or get it from https://ziglang.org/download"
            .to_owned()
    });
    standard_library.into_iter().chain(zig).collect()
}

/// Whether rustc says where the standard library for a target is, and it is not there.
fn lacks_target(target: &str) -> bool {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", target])
        .output();
    output.is_ok_and(|output| {
        let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success() && !Path::new(&folder).is_dir()
    })
}

/// Whether zig is where cargo-lambda looks for it: a program, or a package of Python.
fn has_zig() -> bool {
    let runs = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        output.is_ok_and(|output| output.status.success())
    };
    env::var_os("CARGO_ZIGBUILD_ZIG_PATH").is_some()
        || runs("zig", &["version"])
        || runs("python3", &["-m", "ziglang", "version"])
}

fn require_cargo_lambda() -> Result<(), BuildError> {
    let output = cargo().args(["lambda", "--version"]).output()?;
    if output.status.success() {
        Ok(())
    } else {
        Err(BuildError::NoCargoLambda)
    }
}

/// Where Cargo puts what it builds, the workspace's own configuration included.
pub fn target_directory(workspace: &Path) -> Result<PathBuf, BuildError> {
    let output = cargo()
        .current_dir(workspace)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).map_err(|_| {
        BuildError::NoTargetDirectory(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    })?;
    let directory = metadata["target_directory"].as_str();
    directory
        .map(PathBuf::from)
        .ok_or_else(|| BuildError::NoTargetDirectory("there is no target_directory".to_owned()))
}
