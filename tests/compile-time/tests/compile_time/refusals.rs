//! Each case in `cases` is a program that must not compile, beside what the compiler must say.
//!
//! After a change of a message, `UPDATE=1 cargo test -p compile-time` writes down the new one; read
//! it as someone who has never seen the code before you keep it.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use crate::dependencies::Artifacts;

/// Writes the compiler's messages down instead of comparing them.
const UPDATE: &str = "UPDATE";

/// The package's folder in the workspace.
const PACKAGE: &str = "tests/compile-time";

#[test]
fn refused_programs_are_refused_with_their_message() {
    // The compiler runs on the libraries that this test was built with: cargo would build them all
    // again for a package that it does not know.
    let artifacts = Artifacts::of(&["aws_config", "contract", "handlers_core", "infra_gen"]);
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

/// Every case, relative to the package.
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

/// What is wrong with a case, if anything is.
fn failure(case: &Path, artifacts: &Artifacts) -> Option<String> {
    let output = Command::new(artifacts.compiler())
        // Where the libraries' own paths begin, so that messages show their lines.
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
        let mut failure = format!("{case} is refused with another message than its .stderr has:\n");
        for line in diff(&before, &printed) {
            let _ = writeln!(failure, "{line}");
        }
        failure
    })
}

/// The lines that only one of two texts has, in the order of the texts.
fn diff<'a>(before: &'a str, after: &'a str) -> Vec<String> {
    let only = |mark: &str, one: &'a str, other: &'a str| -> Vec<String> {
        let lines = one
            .lines()
            .filter(|line| !other.lines().any(|known| known == *line));
        lines.map(|line| format!("{mark} {line}")).collect()
    };
    [only("-", before, after), only("+", after, before)].concat()
}

/// A message without what changes with unrelated edits: lines and columns outside of the case, and
/// the width of the margin, which follows from them. The compiler's summary at the end goes, too.
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
    /// A line of code, or below one, with its number if it has one.
    Code(&'a str, &'a str),
    /// A note or advice under the code.
    Remark(&'a str),
    /// Lines of code that the compiler leaves out.
    Gap(&'a str),
    /// A message's first line, or a blank one.
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
