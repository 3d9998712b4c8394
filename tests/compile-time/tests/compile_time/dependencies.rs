//! The functions' dependencies, and the libraries for compiling the cases.

use std::{collections::BTreeSet, path::Path, process::Command};

/// The libraries that cargo has built for this test, as arguments of the compiler.
#[derive(Debug)]
pub(crate) struct Artifacts {
    arguments: Vec<String>,
}

impl Artifacts {
    /// The libraries of these crates.
    ///
    /// # Panics
    ///
    /// If cargo cannot build them, or one is not a dependency of this test.
    pub(crate) fn of(crates: &[&str]) -> Self {
        // With the workspace's features, with which the libraries are already built unless this package is
        // tested alone.
        let mut cargo = Command::new(env!("CARGO"));
        // Cargo's variables about this test's package would make the build scripts of other packages run again.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                cargo.env_remove(name);
            }
        }
        let output = cargo
            .args([
                "test",
                "--workspace",
                "--test",
                "compile_time",
                "--no-run",
                "--locked",
            ])
            .args(["--message-format", "json"])
            .output()
            .expect("cargo runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        let artifacts: Vec<serde_json::Value> = output
            .stdout
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect();
        let mut arguments = Vec::new();
        for name in crates {
            let artifact = artifacts.iter().find(|artifact| {
                artifact["target"]["name"] == *name && artifact["target"]["kind"][0] == "lib"
            });
            let file = artifact.and_then(|artifact| artifact["filenames"][0].as_str());
            let file = file.unwrap_or_else(|| panic!("{name} is not a dependency of this test"));
            let folder = Path::new(file).parent().expect("a folder of libraries");
            arguments.extend(["--extern".to_owned(), format!("{name}={file}")]);
            arguments.extend(["-L".to_owned(), format!("dependency={}", folder.display())]);
        }
        Self { arguments }
    }

    /// The compiler that cargo uses.
    pub(crate) fn compiler() -> std::ffi::OsString {
        std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
    }

    /// The compiler's arguments for the libraries.
    pub(crate) fn arguments(&self) -> &[String] {
        &self.arguments
    }
}

/// Crates of TLS implementations and their cryptography. A second implementation, as in the SDK's default
/// features, would add a megabyte to every cold start.
const TLS: [&str; 11] = [
    "aws-lc-rs",
    "aws-lc-sys",
    "boring",
    "mbedtls",
    "native-tls",
    "openssl",
    "openssl-sys",
    "ring",
    "rustls",
    "s2n-tls",
    "schannel",
];

#[test]
fn functions_link_only_one_tls_stack() {
    // Includes versions: two versions of one crate are two TLS stacks too.
    let lines = dependency_tree(&["--package", "handlers"], "normal");
    let versions: BTreeSet<_> = lines
        .iter()
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?, words.next()?))
        })
        .filter(|(name, _)| TLS.contains(name))
        .collect();
    let names: Vec<_> = versions.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["ring", "rustls"], "{versions:?}");
}

/// The scenarios build the functions while the tests run. A dependency with other features there would be
/// compiled again, and so would everything that uses it: minutes instead of seconds.
#[test]
fn functions_and_tests_share_compiled_dependencies() {
    let functions = dependency_tree(&["--workspace"], "normal,build");
    let tests = dependency_tree(&["--workspace"], "normal,build,dev");
    let compiled_twice: Vec<_> = functions.difference(&tests).collect();
    assert!(
        compiled_twice.is_empty(),
        "these have more features for the tests: enable them for the package `end-to-end` as well \
         (tests/Cargo.toml): {compiled_twice:#?}"
    );
}

/// The distinct lines of `cargo tree`: a crate with its version and features.
fn dependency_tree(packages: &[&str], edges: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree", "--locked", "--prefix", "none", "--format", "{p} {f}",
        ])
        .args(["--edges", edges])
        .args(packages)
        .output()
        .expect("cargo runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let tree = String::from_utf8(output.stdout).expect("a tree");
    let lines = tree.lines().map(|line| line.trim_end_matches(" (*)"));
    lines.map(str::to_owned).collect()
}
