//! A modifiable copy of the workspace.

use std::{
    collections::HashMap,
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::page::{Change, Run};

/// The root of the original workspace.
pub(crate) fn original() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// A copy of the workspace, always at the same path in the target directory, so that cargo rebuilds only
/// what differs.
#[derive(Debug)]
pub(crate) struct Copy {
    folder: PathBuf,
    target: PathBuf,
}

impl Copy {
    /// Makes the copy equal to the workspace.
    pub(crate) fn fresh() -> Self {
        let test = env::current_exe().expect("the test's own path");
        let target = test.ancestors().nth(3).expect("target/debug/deps/test");
        // A separate target directory: cargo does not distinguish the copy from the original, and would use
        // the copy's artifacts for the original.
        let copy = Self {
            folder: target.join("tests").join("walkthrough"),
            target: target.join("tests").join("walkthrough-target"),
        };
        mirror(original(), &copy.folder);
        if !copy.target.exists() {
            let debug = target.join("debug");
            link_dependencies(&debug, &copy.target.join("debug"));
        }
        copy
    }

    /// Changes a file. Creates it if it is missing and the change has no old lines.
    pub(crate) fn apply(&self, change: &Change) {
        let path = self.folder.join(&change.file);
        let text = changed(fs::read_to_string(&path).ok(), change);
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder can be created");
        write(&path, text.as_bytes());
    }

    /// Runs a command. Its output must have the expected lines, and it must fail if they have an error.
    pub(crate) fn run(&self, run: &Run) {
        let mut words = words(&run.command).into_iter();
        let program = words.next().unwrap_or_default();
        assert!(
            ["cargo", "grep"].contains(&program.as_str()),
            "{program} is not allowed in a walkthrough"
        );
        let program = if program == "cargo" {
            env!("CARGO").to_owned()
        } else {
            program
        };
        let mut command = Command::new(program);
        command
            .args(words)
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_TERM_COLOR", "never")
            // All crates are available: these tests were built from them.
            .env("CARGO_NET_OFFLINE", "true");
        // Cargo's variables about this test's package would make the build scripts of other packages
        // run again.
        for (name, _) in env::vars_os() {
            let name_text = name.to_string_lossy();
            if name_text.starts_with("CARGO_PKG_") || name_text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(name);
            }
        }
        let output = command.output().expect("the command runs");
        let mut printed = String::from_utf8_lossy(&output.stdout).into_owned();
        printed += &String::from_utf8_lossy(&output.stderr);
        let fails = run.printed.iter().any(|line| line.starts_with("error"));
        assert_eq!(
            output.status.success(),
            !fails,
            "$ {}\n{printed}",
            run.command
        );
        for message in messages(&run.printed) {
            assert!(
                is_printed(message, &printed),
                "$ {}\ndoes not print\n{}\nbut\n{printed}",
                run.command,
                message.join("\n")
            );
        }
    }
}

/// The workspace with changes that are not written.
#[derive(Debug, Default)]
pub(crate) struct Overlay(HashMap<String, String>);

impl Overlay {
    /// Changes a file, as [`Copy::apply`] does.
    pub(crate) fn apply(&mut self, change: &Change) {
        let text = self.0.remove(&change.file);
        let text = text.or_else(|| fs::read_to_string(original().join(&change.file)).ok());
        self.0.insert(change.file.clone(), changed(text, change));
    }
}

/// The text of a file after a change; `text` is `None` if the file is missing.
fn changed(text: Option<String>, change: &Change) -> String {
    let Change { file, old, new } = change;
    if old.is_empty() && text.is_none() {
        return new.clone();
    }
    let text = text.unwrap_or_else(|| panic!("{file} cannot be read"));
    let found = text.matches(old.as_str()).count();
    assert_eq!(
        found, 1,
        "{file} must have these lines exactly once:\n{old}"
    );
    text.replacen(old.as_str(), new, 1)
}

/// Splits a command into words. Single quotes group words.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in command.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// Splits lines into messages, each of which starts with `error`. The compiler may reorder messages.
fn messages(lines: &[String]) -> impl Iterator<Item = &[String]> {
    lines.chunk_by(|_, next| !next.starts_with("error"))
}

/// Whether one printed message has the lines of `message` in this order.
fn is_printed(message: &[String], printed: &str) -> bool {
    let printed: Vec<String> = printed.lines().map(without_position).collect();
    messages(&printed).any(|candidate| {
        let mut candidate = candidate.iter();
        message
            .iter()
            .all(|line| candidate.any(|printed| printed == line))
    })
}

/// A line of the compiler's output without line and column numbers.
fn without_position(line: &str) -> String {
    let line = line.trim();
    match line.strip_prefix("--> ") {
        Some(place) => format!("--> {}", place.split(':').next().unwrap_or_default()),
        None => line.to_owned(),
    }
}

/// Hard-links the artifacts of external crates into another target directory, so that cargo does not build
/// them again. This is safe because cargo replaces files instead of writing into them.
fn link_dependencies(from: &Path, to: &Path) {
    let own = members();
    for folder in ["deps", "build", ".fingerprint"] {
        for entry in fs::read_dir(from.join(folder)).into_iter().flatten() {
            let name = entry.expect("an entry").file_name();
            let text = name.to_string_lossy();
            // `libserde-0123456789abcdef.rlib`, `serde-0123456789abcdef`
            let package = text.rsplit_once('-').map_or(&*text, |(package, _)| package);
            let package = package.replace('_', "-");
            if own.contains(&package) || own.iter().any(|own| package == format!("lib{own}")) {
                continue;
            }
            link(&from.join(folder).join(&name), &to.join(folder).join(&name));
        }
    }
}

/// The names of the workspace's packages and their targets, with `-` instead of `_`.
fn members() -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("cargo's metadata");
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let names = packages.flat_map(|package| {
        let targets = package["targets"].as_array().into_iter().flatten();
        targets
            .map(|target| &target["name"])
            .chain([&package["name"]])
    });
    let names = names.filter_map(|name| name.as_str());
    names.map(|name| name.replace('_', "-")).collect()
}

/// Links a file, or all files of a folder. Skips files that cannot be linked: cargo builds them.
fn link(from: &Path, to: &Path) {
    if from.is_dir() {
        for entry in fs::read_dir(from).into_iter().flatten().flatten() {
            link(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        let folder = to.parent().expect("a folder");
        let _ = fs::create_dir_all(folder).and_then(|()| fs::hard_link(from, to));
    }
}

/// Makes a folder equal to another. Does not touch files that are already equal.
fn mirror(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    let names = |folder: &Path| -> Vec<_> {
        let entries = fs::read_dir(folder).expect("a folder");
        let entries = entries.map(|entry| entry.expect("an entry"));
        entries.map(|entry| entry.file_name()).collect()
    };
    let wanted: Vec<_> = names(from)
        .into_iter()
        .filter(|name| is_copied(name))
        .collect();
    for name in names(to).iter().filter(|name| !wanted.contains(name)) {
        let path = to.join(name);
        if path.is_dir() {
            fs::remove_dir_all(path).expect("the folder is removed");
        } else {
            fs::remove_file(path).expect("the file is removed");
        }
    }
    for name in wanted {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() {
            mirror(&from, &to);
        } else {
            write(&to, &fs::read(from).expect("the file can be read"));
        }
    }
}

/// Whether an entry belongs to the sources or to cargo's configuration.
fn is_copied(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name == ".cargo" || !(name.starts_with('.') || name == "target" || name == "node_modules")
}

fn write(path: &Path, contents: &[u8]) {
    if fs::read(path).is_ok_and(|before| before == contents) {
        return;
    }
    fs::write(path, contents).expect("the file can be written");
}
