//! `infra-gen diff`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};

use crate::program::{infra_gen, stderr, stdout};

/// Writes the template of the code in a format, with replacements.
fn template(folder: &Path, format: &str, replacements: &[(&str, &str)]) -> PathBuf {
    let output = infra_gen(&["synth", "--stdout", "--format", format]);
    assert!(output.status.success(), "{}", stderr(&output));
    let mut template = stdout(&output);
    for (text, other) in replacements {
        assert!(template.contains(text), "{text}");
        template = template.replace(text, other);
    }
    let path = folder.join("template.yaml");
    fs::write(&path, template).expect("writable");
    path
}

fn diff(against: &Path, more: &[&str]) -> Output {
    let against = against.to_str().expect("a name in UTF-8");
    infra_gen(&[&["diff", "--against", against], more].concat())
}

#[test]
fn diff_of_equal_templates_is_empty_in_both_formats() {
    let folder = tempfile::tempdir().expect("a folder");
    for format in ["sam", "cloudformation"] {
        let output = diff(&template(folder.path(), format, &[]), &[]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(stdout(&output), "");
    }
}

#[test]
fn diff_with_the_generated_templates_is_empty() {
    let generated = Path::new(env!("CARGO_MANIFEST_DIR")).join("../generated");
    for (file, environment) in [
        ("template.yaml", "dev"),
        ("cloudformation/dev.yaml", "dev"),
        ("template.prod.yaml", "prod"),
        ("cloudformation/prod.yaml", "prod"),
    ] {
        let output = diff(&generated.join(file), &["--environment", environment]);
        assert_eq!(stdout(&output), "", "{file}");
        assert_eq!(output.status.code(), Some(0), "{file}: {}", stderr(&output));
    }
}

/// Changes a queue's name, a resource, the memory size and an action, and adds an output.
const CHANGES: [(&str, &str); 5] = [
    (
        "QueueName: !Sub jobs${NameSuffix}",
        "QueueName: !Sub tasks${NameSuffix}",
    ),
    ("  ObjectsBucketPolicy:", "  OldBucketPolicy:"),
    ("MemorySize: 1769", "MemorySize: 512"),
    ("            - dynamodb:DeleteItem\n", ""),
    ("\nOutputs:\n", "\nOutputs:\n  Gone:\n    Value: 1\n"),
];

#[test]
fn diff_marks_changes_with_iam_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = diff(&template(folder.path(), "sam", &CHANGES), &[]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let printed = stdout(&output);
    let positions: Vec<_> = [
        "IAM\n",
        "  + ObjectsBucketPolicy (AWS::S3::BucketPolicy)\n",
        "+ Policies[grants].PolicyDocument.Statement[JobSubscribersTable].Action: \
         dynamodb:DeleteItem\n",
        "  - OldBucketPolicy (AWS::S3::BucketPolicy)\n",
        "Resources\n",
        "  -/+ JobsQueue (AWS::SQS::Queue), replaced because of QueueName; the old one is deleted\n",
        "      ~ QueueName: !Sub tasks${NameSuffix} -> !Sub jobs${NameSuffix}\n",
        "      ~ MemorySize: 512 -> 1769\n",
        "Outputs\n  - Gone: {Value: 1}\n",
        "resources: 1 added, ",
    ]
    .into_iter()
    .map(|line| printed.find(line).unwrap_or_else(|| panic!("{line}\n{printed}")))
    .collect();
    assert!(positions.is_sorted(), "{positions:?}\n{printed}");
    // The queue's event source refers to the queue's ARN.
    assert!(
        printed.contains(
            "-/+ JobsPipelineEventSource (AWS::Lambda::EventSourceMapping), replaced because of \
             EventSourceArn (JobsQueue is replaced)"
        ),
        "{printed}"
    );
}

#[test]
fn diff_as_json_has_the_same_changes() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = diff(&template(folder.path(), "sam", &CHANGES), &["--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["environment"], "dev");
    assert!(report["against"]["file"].is_string());
    assert_eq!(report["summary"]["added"], 1);
    assert_eq!(report["summary"]["removed"], 1);
    let resources = report["resources"].as_array().expect("resources");
    let queue = resources
        .iter()
        .find(|change| change["logical_id"] == "JobsQueue")
        .expect("the queue");
    assert_eq!(queue["action"], "replaced");
    assert_eq!(queue["causes"][0]["property"], "QueueName");
    assert_eq!(
        queue["changes"][0],
        json!({
            "attribute": "Properties",
            "path": "QueueName",
            "before": { "Fn::Sub": "tasks${NameSuffix}" },
            "after": { "Fn::Sub": "jobs${NameSuffix}" },
        })
    );
    let iam = report["iam"].as_array().expect("IAM");
    assert!(iam.iter().any(|change| change["type"] == "AWS::IAM::Role"));
}

#[test]
fn diff_as_json_of_equal_templates_is_empty() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = diff(&template(folder.path(), "sam", &[]), &["--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for part in ["iam", "resources", "settings"] {
        assert_eq!(report[part], json!([]), "{part}");
    }
}

/// A repository with the generated template in its only commit.
fn repository(replacements: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("generated")).expect("writable");
    template(&folder.path().join("generated"), "sam", replacements);
    // These files mark the root of the workspace.
    for member in ["infra-gen", "contract"] {
        fs::create_dir(folder.path().join(member)).expect("writable");
        fs::write(folder.path().join(member).join("Cargo.toml"), "").expect("writable");
    }
    for arguments in [
        &["init", "--quiet"][..],
        &["add", "."],
        &[
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@localhost",
            "commit",
            "--quiet",
            "-m",
            "first",
        ],
        &["tag", "first"],
    ] {
        let git = Command::new("git")
            .args(arguments)
            .current_dir(folder.path())
            .status()
            .expect("git starts");
        assert!(git.success(), "{arguments:?}");
    }
    folder
}

fn diff_in(folder: &Path, against: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_infra-gen"))
        .args(["diff", "--against", against])
        .current_dir(folder)
        .output()
        .expect("infra-gen starts")
}

#[test]
fn diff_reads_the_generated_template_of_a_git_revision() {
    let same = repository(&[]);
    let output = diff_in(same.path(), "first");
    assert_eq!(stdout(&output), "");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));

    let other = repository(&[("MemorySize: 1769", "MemorySize: 512")]);
    for folder in ["", "contract"] {
        let output = diff_in(&other.path().join(folder), "HEAD");
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(stdout(&output).contains("MemorySize: 512 -> 1769"));
    }
}

#[test]
fn diff_with_something_else_is_a_usage_error() {
    let folder = repository(&[]);
    fs::write(folder.path().join("notes.txt"), "Resources: none\n").expect("writable");
    for (against, sentence) in [
        (
            "v9",
            "'v9' is neither a file nor a git revision that has generated/template.yaml",
        ),
        (
            "notes.txt",
            "'notes.txt' cannot be compared: its Resources are not a map of names",
        ),
        (
            "--output=x",
            "'--output=x' is neither a file nor a git revision",
        ),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_infra-gen"))
            .args(["diff", &format!("--against={against}")])
            .current_dir(folder.path())
            .output()
            .expect("infra-gen starts");
        assert_eq!(output.status.code(), Some(2), "{against}");
        assert!(stderr(&output).contains(sentence), "{}", stderr(&output));
    }
    assert_eq!(infra_gen(&["diff"]).status.code(), Some(2));
    let output = infra_gen(&["diff", "--against", "x", "--environment", "staging"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("known are dev, prod"));
}

/// `!Sub` and `!Join`, one action and a list of one, numbers and texts.
#[test]
fn equivalent_values_are_no_difference() {
    let folder = tempfile::tempdir().expect("a folder");
    for format in ["sam", "cloudformation"] {
        let rewritten = template(
            folder.path(),
            format,
            &[
                (
                    "TableName: !Sub jobs${NameSuffix}",
                    "TableName: !Join ['', [jobs, !Ref NameSuffix]]",
                ),
                (
                    "QueueName: !Sub jobs${NameSuffix}",
                    "QueueName: {'Fn::Sub': ['jobs${end}', {end: {Ref: NameSuffix}}]}",
                ),
                (
                    "            - dynamodb:DeleteItem\n",
                    "            - dynamodb:deleteitem\n",
                ),
                ("MemorySize: 1769", "MemorySize: '1769'"),
            ],
        );
        let output = diff(&rewritten, &[]);
        assert_eq!(stdout(&output), "", "{format}");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
}

#[test]
fn diff_against_a_file_has_the_suffix_as_default() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = template(folder.path(), "sam", &[]);
    let file = file.to_str().expect("a name in UTF-8");
    let output = infra_gen(&["diff", "--against", file, "--name-suffix=-a"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stdout(&output).contains("-a"), "{}", stdout(&output));
}
