//! Invalid input: an error that names the value, and no file written.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use constructs::RouteKey;

use crate::program::{FILES, infra_gen, stderr, synth};

/// Everything in a folder: files with their contents, folders without.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            found.extend(contents(&path));
            found.insert(path, None);
        } else {
            let contents = fs::read(&path).expect("readable");
            found.insert(path, Some(contents));
        }
    }
    found
}

/// A folder in which every file is out of date, so that every write would be noticed.
fn outdated() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("cloudformation")).expect("writable");
    for file in FILES {
        fs::write(folder.path().join(file), "out of date\n").expect("writable");
    }
    folder
}

/// Runs `synth` into a folder and asserts how it fails, and that it wrote nothing.
#[track_caller]
fn assert_refused(folder: &Path, arguments: &[&str], code: i32, sentence: &str) {
    let before = contents(folder);
    let output = synth(folder, arguments);
    assert_failed(&output, code, sentence);
    assert_eq!(contents(folder), before);
}

#[track_caller]
fn assert_failed(output: &Output, code: i32, sentence: &str) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(sentence), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn unknown_environment_is_refused_with_the_known_ones() {
    assert_refused(
        outdated().path(),
        &["--environment", "staging"],
        2,
        "there is no environment 'staging'; known are dev, prod",
    );
}

#[test]
fn invalid_origin_is_refused_with_the_problem() {
    for (origin, problem) in [
        ("app.example.com", "neither https:// nor http://"),
        ("https://app.example.com/", "has no path, not even a slash"),
        ("*", "for any origin, list none"),
    ] {
        assert_refused(
            outdated().path(),
            &["--allowed-origin", origin],
            2,
            &format!("'{origin}' is not an origin"),
        );
        assert_refused(outdated().path(), &["--allowed-origin", origin], 2, problem);
    }
}

#[test]
fn invalid_retention_is_refused_with_the_valid_ones() {
    for days in ["10", "0", "forever", "70000"] {
        assert_refused(
            outdated().path(),
            &["--log-retention", days],
            2,
            &format!("CloudWatch cannot keep logs for '{days}' days; it can for 1, 3, 5, 7, 14,"),
        );
    }
}

#[test]
fn suffix_that_is_too_long_is_refused_with_the_limit() {
    let suffix = "-".to_owned() + &"x".repeat(40);
    assert_refused(
        outdated().path(),
        &["--name-suffix", &suffix],
        2,
        &format!("'{suffix}' cannot be appended to the names of tables and queues: use up to 40"),
    );
}

#[test]
fn overrides_are_not_written_to_the_generated_folder() {
    let output = infra_gen(&["synth", "--log-retention", "14"]);
    assert_failed(&output, 2, "<--output-dir <DIR>|--stdout>");
}

#[test]
fn invalid_route_key_is_refused_with_the_rule() {
    for key in ["", "cancel job", "$other", "übersicht", &"k".repeat(129)] {
        let error = RouteKey::new(key).expect_err(key).to_string();
        assert!(
            error.starts_with(&format!("'{key}' is not a route key")),
            "{error}"
        );
        assert!(error.contains("1 to 128 letters"), "{error}");
    }
}

#[test]
fn folder_that_cannot_be_created_is_reported() {
    let folder = outdated();
    let blocked = folder.path().join("template.yaml").join("generated");
    let before = contents(folder.path());
    let output = synth(&blocked, &[]);
    assert_failed(&output, 1, "template.yaml/generated/");
    assert_failed(&output, 1, "cannot read");
    assert_eq!(contents(folder.path()), before);
}

#[test]
fn no_file_is_written_if_one_cannot_be() {
    let folder = outdated();
    fs::remove_dir_all(folder.path().join("cloudformation")).expect("writable");
    fs::write(folder.path().join("cloudformation"), "in the way").expect("writable");
    assert_refused(folder.path(), &[], 1, "cloudformation/dev.yaml'");
}

#[test]
fn folder_in_place_of_a_file_is_reported() {
    let folder = outdated();
    let taken = folder.path().join("messages.ts");
    fs::remove_file(&taken).expect("writable");
    fs::create_dir(&taken).expect("writable");
    assert_refused(folder.path(), &[], 1, "messages.ts'");
}
