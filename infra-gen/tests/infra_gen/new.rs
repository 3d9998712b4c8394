//! `infra-gen new`. The step `product` of CI builds what it writes.

use std::fs;

use crate::program::{infra_gen, stderr, stdout};

#[test]
fn new_writes_a_workspace_and_prints_the_next_steps() {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().join("deep/imports");
    let path = folder.to_str().expect("UTF-8");
    let output = infra_gen(&["new", "imports", "--path", path]);
    assert!(output.status.success(), "{}", stderr(&output));
    let printed = stdout(&output);
    for part in [path, "cargo run -p infra-gen -- synth", "cargo dev"] {
        assert!(printed.contains(part), "{part} in {printed}");
    }
    let contract = fs::read_to_string(folder.join("contract/src/lib.rs")).expect("a file");
    assert!(contract.contains("Product::new(\"imports\""), "{contract}");
    assert!(
        !folder.join("Cargo.lock").exists(),
        "only a checkout has one"
    );

    let again = infra_gen(&["new", "imports", "--path", path]);
    assert_eq!(again.status.code(), Some(1));
    let message = stderr(&again);
    assert!(message.contains("exists and is not empty"), "{message}");
    assert!(
        message.contains("help: choose another folder with --path"),
        "{message}"
    );
}

#[test]
fn new_with_a_checkout_takes_over_its_versions() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("UTF-8");
    let checkout = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let output = infra_gen(&["new", "imports", "--path", path, "--stagecast", checkout]);
    assert!(output.status.success(), "{}", stderr(&output));
    let read = |file: &str| fs::read(folder.path().join(file)).expect(file);
    let ours = fs::read(format!("{checkout}/Cargo.lock")).expect("a file");
    assert!(read("Cargo.lock") == ours, "the versions differ");
}

#[test]
fn invalid_name_is_a_usage_error_with_the_rules() {
    let output = infra_gen(&["new", "CSV"]);
    assert_eq!(output.status.code(), Some(2));
    let message = stderr(&output);
    assert!(
        message.contains("'CSV'") && message.contains("1 to 20 lower-case letters"),
        "{message}"
    );
}
