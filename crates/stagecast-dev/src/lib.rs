//! `cargo dev` of a product: builds the functions and the local stack together, then runs the stack.
//!
//! One `cargo build` covers all packages: separate builds would compile shared dependencies several
//! times, with different features.

use std::{
    env,
    ffi::OsString,
    fmt::Display,
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
};

/// The package with the functions' executables.
const FUNCTIONS: &str = "handlers";

/// The name of the stack's executable and package.
const STACK: &str = "local";

/// Cargo's own exit code on failure.
const FAILURE_EXIT_CODE: u8 = 101;

/// Builds the packages `handlers` and `local` of the workspace, and runs `local` with this process's
/// arguments. Returns the exit code of the first step that fails.
pub fn main() -> ExitCode {
    match build() {
        Ok(stack) => run(&stack),
        Err(code) => code,
    }
}

/// Builds everything. Returns the path of the stack's executable.
fn build() -> Result<PathBuf, ExitCode> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args([
        "build",
        "--bins",
        "--message-format=json-render-diagnostics",
    ]);
    for package in [FUNCTIONS, STACK] {
        command.args(["--package", package]);
    }
    // `cargo run` has set them for this package. Build scripts that read them, such as that of `ring`, would run again, and all
    // that depends on them would be compiled again.
    for (name, _) in env::vars_os() {
        if is_of_a_package(&name.to_string_lossy()) {
            command.env_remove(name);
        }
    }
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| print_error(format_args!("cargo cannot be started: {error}")))?;
    if !output.status.success() {
        return Err(exit_code(output.status.code()));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let executable = messages
        .lines()
        .filter_map(executable)
        .find(|path| path.file_stem().is_some_and(|name| name == STACK));
    executable.ok_or_else(|| print_error("cargo's output does not name the executable `local`"))
}

/// Whether Cargo sets this variable for the package that it runs.
fn is_of_a_package(variable: &str) -> bool {
    variable.starts_with("CARGO_PKG_") || variable.starts_with("CARGO_MANIFEST_")
}

/// The path in a line such as `{"reason":"compiler-artifact",...,"executable":"/path/local",...}`.
fn executable(message: &str) -> Option<PathBuf> {
    let (_, rest) = message.split_once(r#""executable":""#)?;
    let mut path = String::new();
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => return Some(path.into()),
            // In a path, JSON escapes only quotes and backslashes.
            '\\' => path.push(characters.next()?),
            character => path.push(character),
        }
    }
}

/// Replaces this process with the stack, so that the stack gets all signals and sets the exit code.
#[cfg(unix)]
fn run(stack: &PathBuf) -> ExitCode {
    use std::os::unix::process::CommandExt as _;

    let error = Command::new(stack).args(arguments()).exec();
    print_error(format_args!(
        "{} cannot be started: {error}",
        stack.display()
    ))
}

/// Runs the stack and returns its exit code. A console sends Ctrl-C to both processes.
#[cfg(not(unix))]
fn run(stack: &PathBuf) -> ExitCode {
    match Command::new(stack).args(arguments()).status() {
        Ok(status) => exit_code(status.code()),
        Err(error) => print_error(format_args!(
            "{} cannot be started: {error}",
            stack.display()
        )),
    }
}

/// The arguments for the stack. `cargo dev -- --port 0` is accepted as `cargo dev --port 0`.
fn arguments() -> impl Iterator<Item = OsString> {
    let mut arguments = env::args_os().skip(1).peekable();
    arguments.next_if(|first| first == "--");
    arguments
}

fn print_error(message: impl Display) -> ExitCode {
    eprintln!("error: {message}");
    ExitCode::from(FAILURE_EXIT_CODE)
}

fn exit_code(code: Option<i32>) -> ExitCode {
    let code = code.and_then(|code| u8::try_from(code).ok());
    code.unwrap_or(FAILURE_EXIT_CODE).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executable_is_read_from_the_messages_of_cargo() {
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
