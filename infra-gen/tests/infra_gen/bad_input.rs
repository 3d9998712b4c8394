//! What people get wrong: each time a sentence that names it, and nothing half written.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use infra_gen::constructs::RouteKey;

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

/// A folder in which everything is out of date, so that whatever is written would be noticed.
fn outdated() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("cloudformation")).expect("writable");
    for file in FILES {
        fs::write(folder.path().join(file), "out of date\n").expect("writable");
    }
    folder
}

/// Runs `synth` into a folder and asserts how it fails, and that the folder is as it was.
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
fn an_environment_that_there_is_none_of_is_answered_with_those_there_are() {
    assert_refused(
        outdated().path(),
        &["--environment", "staging"],
        2,
        "there is no environment 'staging'; known are dev, prod",
    );
}

#[test]
fn an_origin_that_no_browser_sends_is_named_with_what_is_wrong() {
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
fn a_retention_that_cloudwatch_does_not_know_is_answered_with_those_it_knows() {
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
fn a_suffix_that_makes_names_too_long_is_named_with_the_limit() {
    let suffix = "-".to_owned() + &"x".repeat(40);
    assert_refused(
        outdated().path(),
        &["--name-suffix", &suffix],
        2,
        &format!("'{suffix}' cannot be appended to the names of tables and queues: use up to 40"),
    );
}

#[test]
fn what_differs_from_an_environment_is_not_written_among_the_files_that_ci_compares() {
    let output = infra_gen(&["synth", "--log-retention", "14"]);
    assert_failed(&output, 2, "<--output-dir <DIR>|--stdout>");
}

#[test]
fn a_route_key_that_api_gateway_refuses_is_named_with_what_it_takes() {
    for key in ["", "cancel job", "$other", "übersicht", &"k".repeat(129)] {
        let error = RouteKey::new(key).expect_err(key).to_string();
        assert!(
            error.starts_with(&format!("'{key}' is no route key")),
            "{error}"
        );
        assert!(error.contains("1 to 128 letters"), "{error}");
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = outdated();
    let blocked = folder.path().join("template.yaml").join("generated");
    let before = contents(folder.path());
    let output = synth(&blocked, &[]);
    assert_failed(&output, 1, "template.yaml/generated/");
    assert_failed(&output, 1, "cannot be");
    assert_eq!(contents(folder.path()), before);
}

#[test]
fn if_one_file_cannot_be_written_the_others_are_left_alone() {
    let folder = outdated();
    fs::remove_dir_all(folder.path().join("cloudformation")).expect("writable");
    fs::write(folder.path().join("cloudformation"), "in the way").expect("writable");
    assert_refused(folder.path(), &[], 1, "cloudformation/dev.yaml' cannot be");
}

#[test]
fn a_folder_in_the_place_of_a_file_is_named_and_nothing_is_written() {
    let folder = outdated();
    let taken = folder.path().join("messages.ts");
    fs::remove_file(&taken).expect("writable");
    fs::create_dir(&taken).expect("writable");
    assert_refused(folder.path(), &[], 1, "messages.ts' cannot be");
}
