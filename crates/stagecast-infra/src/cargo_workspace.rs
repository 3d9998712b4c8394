//! What Cargo knows about the workspace: its packages with their executables, and its target directory.

use std::{
    env, io,
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;

/// The packages of a workspace, as `cargo metadata` describes them.
#[derive(Clone, Debug, Deserialize)]
pub struct CargoWorkspace {
    packages: Vec<Package>,
    target_directory: PathBuf,
}

#[derive(Clone, Debug, Deserialize)]
struct Package {
    name: String,
    targets: Vec<Target>,
}

#[derive(Clone, Debug, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// Cargo cannot describe the workspace.
#[derive(Debug, thiserror::Error)]
pub enum CargoError {
    /// Cargo could not be started.
    #[error("cannot start cargo: {0}")]
    Start(#[from] io::Error),
    /// Cargo rejects the workspace.
    #[error("`cargo metadata` failed: {0}")]
    Failed(String),
    /// The output of Cargo has another format.
    #[error("the output of `cargo metadata` cannot be read: {0}")]
    Format(#[from] serde_json::Error),
}

/// A function has no executable, or several.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecutableError {
    /// No package has an executable with the name of the function.
    #[error(
        "no package of the workspace has an executable with the name of the function '{0}'\n  help: add \
         handlers/src/bin/{0}.rs, whose `main` serves the function"
    )]
    Missing(String),
    /// Several packages have an executable with the name of the function.
    #[error(
        "the packages {packages} have an executable with the name of the function '{function}'\n  help: \
         rename all but one, because Cargo writes them to the same file"
    )]
    Ambiguous {
        /// The name of the function.
        function: String,
        /// The names of the packages, separated by commas.
        packages: String,
    },
}

impl CargoWorkspace {
    /// Runs `cargo metadata` in the folder `root`. Reads no dependencies, so it needs no network.
    pub fn read(root: &Path) -> Result<Self, CargoError> {
        let output = cargo()
            .current_dir(root)
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .output()?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr);
            return Err(CargoError::Failed(message.trim().to_owned()));
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Cargo's target directory, according to the environment and the workspace's configuration.
    pub fn target_directory(&self) -> &Path {
        &self.target_directory
    }

    /// The package with the executable of a function; both have the same name.
    pub fn package_of(&self, function: &str) -> Result<&str, ExecutableError> {
        let is_executable =
            |target: &Target| target.name == function && target.kind.iter().any(|it| it == "bin");
        let packages = self.packages.iter();
        let found: Vec<_> = packages
            .filter(|package| package.targets.iter().any(is_executable))
            .map(|package| package.name.as_str())
            .collect();
        match found[..] {
            [package] => Ok(package),
            [] => Err(ExecutableError::Missing(function.to_owned())),
            _ => Err(ExecutableError::Ambiguous {
                function: function.to_owned(),
                packages: found.join(", "),
            }),
        }
    }
}

/// The Cargo that runs this process, or else the one in the path.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // `cargo run` has set them for this package. Build scripts that read them, such as that of `ring`, would run again.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace() -> CargoWorkspace {
        let json = r#"{
            "target_directory": "/target",
            "packages": [
                {"name": "handlers", "targets": [
                    {"name": "handlers", "kind": ["lib"]},
                    {"name": "jobs", "kind": ["bin"]},
                    {"name": "totals", "kind": ["bin"]}
                ]},
                {"name": "reports", "targets": [
                    {"name": "reports", "kind": ["bin"]},
                    {"name": "totals", "kind": ["bin"]},
                    {"name": "worker", "kind": ["test"]}
                ]}
            ]
        }"#;
        serde_json::from_str(json).expect("metadata")
    }

    #[test]
    fn executable_of_a_function_may_be_in_any_package() {
        assert_eq!(workspace().package_of("jobs"), Ok("handlers"));
        assert_eq!(workspace().package_of("reports"), Ok("reports"));
    }

    #[test]
    fn function_without_an_executable_is_reported_with_the_file_to_add() {
        for function in ["worker", "handlers"] {
            let error = workspace().package_of(function).expect_err(function);
            let message = error.to_string();
            let file = format!("add handlers/src/bin/{function}.rs");
            assert!(message.contains(&file), "{message}");
        }
    }

    #[test]
    fn function_with_two_executables_is_reported_with_their_packages() {
        let error = workspace().package_of("totals").expect_err("there are two");
        assert!(error.to_string().contains("handlers, reports"), "{error}");
    }
}
