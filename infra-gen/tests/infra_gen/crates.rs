//! The libraries in `crates/` know nothing of the product.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

fn workspace() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    path.canonicalize().expect("the workspace")
}

/// The packages of the workspace, as `cargo metadata` describes them.
fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(workspace())
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{output:?}");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

/// The folder of a package.
pub(crate) fn folder(package: &Value) -> PathBuf {
    let manifest = Path::new(package["manifest_path"].as_str().expect("a path"));
    manifest.parent().expect("a folder").to_owned()
}

/// The packages in `crates/`.
pub(crate) fn libraries() -> Vec<Value> {
    let crates = workspace().join("crates");
    let mut packages = packages();
    packages.retain(|package| folder(package).starts_with(&crates));
    assert!(packages.len() >= 2, "{packages:?}");
    packages
}

/// Dependencies for tests and builds count as well.
#[test]
fn libraries_depend_on_no_package_of_the_product() {
    let crates = workspace().join("crates");
    for package in libraries() {
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let Some(path) = dependency["path"].as_str() else {
                continue;
            };
            let name = package["name"].as_str().unwrap_or_default();
            assert!(
                Path::new(path).starts_with(&crates),
                "{name} depends on {path}"
            );
        }
    }
}

#[test]
fn libraries_have_what_a_published_crate_needs() {
    for package in libraries() {
        let name = package["name"].as_str().expect("a name");
        for field in ["description", "license", "repository", "readme"] {
            assert!(package[field].is_string(), "{name} has no {field}");
        }
        assert_ne!(package["keywords"], Value::Array(Vec::new()), "{name}");
        assert!(package["publish"].is_null(), "{name} cannot be published");
        for file in ["CHANGELOG.md", "LICENSE"] {
            assert!(
                folder(&package).join(file).is_file(),
                "{name} has no {file}"
            );
        }
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let is_normal = dependency["kind"].is_null();
            let has_version = dependency["req"] != "*";
            assert!(!is_normal || has_version, "{name}: {dependency}");
        }
    }
}
