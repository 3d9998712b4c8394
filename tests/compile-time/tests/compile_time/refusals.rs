//! Each case in `cases` is a program that must not compile, with the expected compiler message.
//!
//! `UPDATE=1 cargo test -p compile-time` writes changed messages to the `.stderr` files. Before you keep
//! them, check that they are clear to a reader who does not know the code.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use crate::dependencies::Artifacts;

/// Names the environment variable that stores the compiler's messages instead of comparing them.
const UPDATE: &str = "UPDATE";

/// The package's folder in the workspace.
const PACKAGE: &str = "tests/compile-time";

#[test]
fn invalid_programs_are_rejected_with_their_message() {
    // Runs the compiler without cargo, with the libraries of this test: cargo would build all of them
    // again for an unknown package.
    let artifacts = Artifacts::of(&[
        "aws_config",
        "constructs",
        "granted_aws",
        "stagecast_contract",
        "stagecast_core",
        "typed_contract",
    ]);
    let cases = cases();
    assert!(!cases.is_empty(), "there are no cases");
    let workers = thread::available_parallelism().map_or(1, usize::from);

    let failures: String = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers)
            .map(|first| {
                let mine = cases.iter().skip(first).step_by(workers);
                let artifacts = &artifacts;
                scope.spawn(move || {
                    mine.filter_map(|case| failure(case, artifacts))
                        .collect::<String>()
                })
            })
            .collect();
        let failures = workers
            .into_iter()
            .map(|worker| worker.join().expect("no panic"));
        failures.collect()
    });

    assert!(failures.is_empty(), "{failures}");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The paths of all cases, relative to the package.
fn cases() -> Vec<PathBuf> {
    let files = |folder: &Path| {
        let entries = fs::read_dir(folder).expect("a folder of cases");
        entries
            .map(|entry| entry.expect("an entry").path())
            .collect::<Vec<_>>()
    };
    let kinds = files(&root().join("cases"));
    let mut cases: Vec<_> = kinds
        .iter()
        .flat_map(|kind| files(kind))
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| {
            path.strip_prefix(root())
                .expect("in the package")
                .to_owned()
        })
        .collect();
    cases.sort();
    cases
}

/// Compiles a case. Returns a description of the failure, if any.
fn failure(case: &Path, artifacts: &Artifacts) -> Option<String> {
    let output = Command::new(Artifacts::compiler())
        // The libraries' paths are relative to this folder, so that messages can show their lines.
        .current_dir(crate::workspace::original())
        .args([
            "--edition",
            "2024",
            "--crate-type",
            "bin",
            "--emit",
            "metadata",
        ])
        .args([
            "--error-format",
            "human",
            "--color",
            "never",
            "-o",
            "/dev/null",
        ])
        .args(artifacts.arguments())
        .arg(Path::new(PACKAGE).join(case))
        .output()
        .expect("the compiler runs");
    let printed = normalized(&String::from_utf8_lossy(&output.stderr));
    if output.status.success() {
        return Some(format!("{} compiles\n", case.display()));
    }
    let expected = root().join(case.with_extension("stderr"));
    if std::env::var_os(UPDATE).is_some() {
        fs::write(&expected, &printed).expect("the message can be written");
        return None;
    }
    let before = fs::read_to_string(&expected).unwrap_or_default();
    (before != printed).then(|| {
        let case = case.display();
        let mut failure = format!("{case} is rejected with another message than in its .stderr:\n");
        for line in diff(&before, &printed) {
            let _ = writeln!(failure, "{line}");
        }
        failure
    })
}

/// The lines that are in only one of two texts, in the order of the texts.
fn diff<'a>(before: &'a str, after: &'a str) -> Vec<String> {
    let only = |mark: &str, one: &'a str, other: &'a str| -> Vec<String> {
        let lines = one
            .lines()
            .filter(|line| !other.lines().any(|known| known == *line));
        lines.map(|line| format!("{mark} {line}")).collect()
    };
    [only("-", before, after), only("+", after, before)].concat()
}

/// Removes the parts of a message that change with unrelated edits: lines and columns outside of the case,
/// the width of the margin, and the compiler's summary at the end.
fn normalized(message: &str) -> String {
    let mut is_elsewhere = false;
    let mut text = String::new();
    for line in message.lines() {
        if line.starts_with("error: aborting due to") || line.starts_with("For more information") {
            continue;
        }
        let line = line.replace(&format!("{PACKAGE}/"), "");
        let line = match Line::of(&line) {
            Line::Place(arrow, place) => {
                is_elsewhere = !place.starts_with("cases/");
                if is_elsewhere {
                    let file = place.split(':').next().unwrap_or_default();
                    format!("   {arrow} $WORKSPACE/{file}")
                } else {
                    format!("   {arrow} {place}")
                }
            }
            Line::Code(_, code) if is_elsewhere => format!("    |{code}"),
            Line::Code(number, code) => format!("{number:>3} |{code}"),
            Line::Remark(remark) => format!("    = {remark}"),
            Line::Gap(code) => format!("... {code}"),
            Line::Other => line,
        };
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// A line of a message.
enum Line<'a> {
    /// An arrow and a file, with a line and column.
    Place(&'a str, &'a str),
    /// A line of code or an underline, with the line number if it has one.
    Code(&'a str, &'a str),
    /// A note or help text below the code.
    Remark(&'a str),
    /// A mark for omitted lines of code.
    Gap(&'a str),
    /// The first line of a message, or a blank line.
    Other,
}

impl<'a> Line<'a> {
    fn of(line: &'a str) -> Self {
        let text = line.trim_start();
        for arrow in ["-->", ":::"] {
            if let Some(place) = text.strip_prefix(arrow) {
                return Self::Place(arrow, place.trim_start());
            }
        }
        if let Some(code) = text.strip_prefix("...") {
            return Self::Gap(code.trim_start());
        }
        if let Some(remark) = text.strip_prefix("= ") {
            return Self::Remark(remark);
        }
        match text.split_once('|') {
            Some((number, code)) if number.trim().bytes().all(|byte| byte.is_ascii_digit()) => {
                Self::Code(number.trim(), code)
            }
            _ => Self::Other,
        }
    }
}
