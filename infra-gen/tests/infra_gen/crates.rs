//! Dependencies point one way: libraries without a product, then the job system, then the product.

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
pub(crate) fn packages() -> Vec<Value> {
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

/// The part of the workspace that a package belongs to. A package depends on its own part and on those before
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// A library that knows nothing of jobs.
    Library,
    /// The job system, which knows nothing of the product.
    JobSystem,
    /// The product, its tests and its benchmarks.
    Product,
}

impl Part {
    /// The part of the package in this folder.
    fn of(folder: &Path) -> Self {
        let folder = folder.strip_prefix(workspace()).expect("in the workspace");
        match folder.strip_prefix("crates") {
            Err(_) => Self::Product,
            Ok(name) if name.to_string_lossy().starts_with("stagecast") => Self::JobSystem,
            Ok(_) => Self::Library,
        }
    }
}

/// The packages of a part.
fn packages_of(part: Part) -> Vec<Value> {
    let mut packages = packages();
    packages.retain(|package| Part::of(&folder(package)) == part);
    assert!(packages.len() >= 2, "{packages:?}");
    packages
}

/// Dependencies for tests and builds count as well.
#[test]
fn packages_depend_only_on_their_part_and_those_before_it() {
    for package in packages() {
        let part = Part::of(&folder(&package));
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let Some(path) = dependency["path"].as_str() else {
                continue;
            };
            let name = package["name"].as_str().unwrap_or_default();
            let dependency = Part::of(Path::new(path));
            assert!(
                dependency <= part,
                "{name} is of {part:?}, and depends on {path} of {dependency:?}"
            );
        }
    }
}

#[test]
fn libraries_have_what_a_published_crate_needs() {
    for package in packages_of(Part::Library) {
        let name = package["name"].as_str().expect("a name");
        // It is for this workspace only.
        if name == "workspace-hack" {
            continue;
        }
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

/// The lints of a crate of functions that refuse calls which pass by the contract.
fn refused_calls(folder: &str) -> Vec<String> {
    let file = workspace().join(folder).join("clippy.toml");
    let text = std::fs::read_to_string(&file).expect(folder);
    let lines = text.lines().filter(|line| line.contains("path ="));
    lines.map(str::to_owned).collect()
}

#[test]
fn functions_refuse_the_calls_that_functions_of_a_new_product_refuse() {
    let new_product = refused_calls("crates/stagecast-infra/src/new/product/handlers");
    assert!(!new_product.is_empty());
    let crates = [
        "core",
        "jobs",
        "websocket",
        "worker",
        "delivery",
        "webhooks",
        "pipeline",
    ];
    let folders = crates.map(|name| format!("crates/stagecast-{name}"));
    for folder in folders.iter().map(String::as_str).chain(["handlers"]) {
        let refused = refused_calls(folder);
        for call in &new_product {
            assert!(refused.contains(call), "{folder} does not refuse {call}");
        }
    }
}
