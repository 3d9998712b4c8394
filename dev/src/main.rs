//! `cargo dev`: builds the functions and the local stack together, then runs the stack.
//!
//! One `cargo build` for all of them: asked for one by one, the packages would be built with
//! different features of what they share, and that more than once.

use std::{
    env,
    fmt::Display,
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
};

/// The executable that is run.
const STACK: &str = "local";

/// The packages that are built: the stack and the functions that it runs.
const PACKAGES: [&str; 6] = [STACK, "websocket", "jobs", "worker", "pipeline", "delivery"];

/// What Cargo itself exits with when it fails.
const FAILED: u8 = 101;

fn main() -> ExitCode {
    match build() {
        Ok(stack) => run(&stack),
        Err(code) => code,
    }
}

/// Builds everything and says where the stack's executable is.
fn build() -> Result<PathBuf, ExitCode> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args([
        "build",
        "--bins",
        "--message-format=json-render-diagnostics",
    ]);
    for package in PACKAGES {
        command.args(["--package", package]);
    }
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| complain(format_args!("cargo does not start: {error}")))?;
    if !output.status.success() {
        return Err(code(output.status.code()));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let executable = messages
        .lines()
        .filter_map(executable)
        .find(|path| path.file_stem().is_some_and(|name| name == STACK));
    executable.ok_or_else(|| complain("cargo has not said where it put the executable `local`"))
}

/// The path in a line such as `{"reason":"compiler-artifact",...,"executable":"/path/local",...}`.
fn executable(message: &str) -> Option<PathBuf> {
    let (_, rest) = message.split_once(r#""executable":""#)?;
    let mut path = String::new();
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => return Some(path.into()),
            // Of JSON's escapes only quotes and backslashes are to be expected in a path.
            '\\' => path.push(characters.next()?),
            character => path.push(character),
        }
    }
}

/// Becomes the stack, so that signals and the exit code are its own.
#[cfg(unix)]
fn run(stack: &PathBuf) -> ExitCode {
    use std::os::unix::process::CommandExt as _;

    let error = Command::new(stack).args(env::args_os().skip(1)).exec();
    complain(format_args!("{} does not start: {error}", stack.display()))
}

/// Runs the stack and passes its exit code on. A console sends Ctrl-C to both.
#[cfg(not(unix))]
fn run(stack: &PathBuf) -> ExitCode {
    match Command::new(stack).args(env::args_os().skip(1)).status() {
        Ok(status) => code(status.code()),
        Err(error) => complain(format_args!("{} does not start: {error}", stack.display())),
    }
}

fn complain(what: impl Display) -> ExitCode {
    eprintln!("error: {what}");
    ExitCode::from(FAILED)
}

fn code(code: Option<i32>) -> ExitCode {
    let code = code.and_then(|code| u8::try_from(code).ok());
    code.unwrap_or(FAILED).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_found_in_what_cargo_says() {
        let message =
            r#"{"reason":"compiler-artifact","executable":"C:\\a \"b\"\\local.exe","fresh":true}"#;
        assert_eq!(
            executable(message),
            Some(PathBuf::from(r#"C:\a "b"\local.exe"#))
        );
        let library = r#"{"reason":"compiler-artifact","executable":null,"fresh":true}"#;
        assert_eq!(executable(library), None);
    }
}
