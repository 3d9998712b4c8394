//! Runs infra-gen.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

pub(crate) fn infra_gen(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_infra-gen"))
        .args(arguments)
        .output()
        .expect("infra-gen starts")
}

pub(crate) fn synth(folder: &Path, more: &[&str]) -> Output {
    let folder = folder.to_str().expect("a name in UTF-8");
    infra_gen(&[&["synth", "--output-dir", folder], more].concat())
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Writes a shell script.
pub(crate) fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    // A separate process writes the file. Otherwise a child that another thread starts meanwhile would
    // inherit the open file, and a file that is open for writing cannot be executed (ETXTBSY).
    let written = Command::new("sh")
        .args([
            "-c",
            r#"printf '%s\n' '#!/bin/sh' "$2" >"$1" && chmod 755 "$1""#,
        ])
        .arg("sh")
        .arg(&path)
        .arg(text)
        .status();
    assert!(written.expect("sh starts").success(), "{}", path.display());
    path
}

/// Some of the files that `synth` writes.
pub(crate) const FILES: [&str; 9] = [
    "asyncapi.yaml",
    "cloudformation/dev.yaml",
    "cloudformation/prod.yaml",
    "input.json",
    "messages.schema.json",
    "messages.ts",
    "stack.md",
    "template.prod.yaml",
    "template.yaml",
];
