//! Builds the functions with cargo-lambda, which links against Lambda's glibc and cross-compiles for
//! the other processor.

use std::{
    collections::BTreeSet,
    env, io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use crate::{
    cargo_workspace::{CargoError, CargoWorkspace, ExecutableError, cargo},
    environments::Architecture,
};

/// Why the functions could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// cargo-lambda is not installed.
    #[error(
        "cargo-lambda is not installed; it is needed to build the functions\n  help: `pip install \
         cargo-lambda`, which installs the linker (zig) as well, or `cargo install --locked \
         cargo-lambda` and zig from https://ziglang.org/download; or build the functions in another \
         way and give their folder with --binaries"
    )]
    NoCargoLambda,
    /// Cargo could not be started.
    #[error("cannot start cargo: {0}")]
    Start(#[from] io::Error),
    /// The build failed.
    #[error("`{command}` failed ({status}); its output is above{missing}")]
    Failed {
        /// The command line.
        command: String,
        /// The exit status of the command.
        status: ExitStatus,
        /// The lines of the message that name what this machine lacks.
        missing: String,
    },
    /// Cargo cannot describe the workspace.
    #[error(transparent)]
    Workspace(#[from] CargoError),
    /// A function has no executable.
    #[error(transparent)]
    Executable(#[from] ExecutableError),
}

/// Builds functions of the workspace with this root and returns the folder with their executables.
/// Dropping the future kills the build.
pub async fn build(
    functions: &[&'static str],
    architecture: Architecture,
    workspace: &Path,
) -> Result<PathBuf, BuildError> {
    require_cargo_lambda()?;
    let cargo_workspace = CargoWorkspace::read(workspace)?;
    let packages: BTreeSet<_> = functions
        .iter()
        .map(|function| cargo_workspace.package_of(function))
        .collect::<Result<_, _>>()?;
    // Executables for different processors have different folders, so that none is mistaken.
    let folder = cargo_workspace
        .target_directory()
        .join("lambda")
        .join(architecture.name());
    let flag = match architecture {
        Architecture::Arm64 => "--arm64",
        Architecture::X86_64 => "--x86-64",
    };
    let mut arguments = vec!["lambda", "build", "--release", "--locked", flag];
    for package in packages {
        arguments.extend(["--package", package]);
    }
    for function in functions {
        arguments.extend(["--bin", function]);
    }
    let status = tokio::process::Command::from(cargo())
        .kill_on_drop(true)
        .args(&arguments)
        .arg("--lambda-dir")
        .arg(&folder)
        .current_dir(workspace)
        .stdin(Stdio::null())
        // Standard output is for the result of infra-gen.
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

/// The tools that a build for an architecture needs and this machine lacks, a line each.
fn missing(architecture: Architecture) -> String {
    let target = match architecture {
        Architecture::Arm64 => "aarch64-unknown-linux-gnu",
        Architecture::X86_64 => "x86_64-unknown-linux-gnu",
    };
    let standard_library = lacks_target(target).then(|| {
        format!(
            "\n  missing: Rust's standard library for {target}\n  help: `rustup target \
             add {target}`"
        )
    });
    let zig = (!has_zig()).then(|| {
        "\n  missing: zig, which links the functions\n  help: `pip install cargo-lambda` installs it, \
         or get it from https://ziglang.org/download"
            .to_owned()
    });
    standard_library.into_iter().chain(zig).collect()
}

/// Whether rustc names a folder for a target's standard library that does not exist.
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

/// Whether zig is in one of the places that cargo-lambda searches: a variable, a program, a Python
/// package.
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
