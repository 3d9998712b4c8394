//! `cargo dev`: builds the functions and the local stack together, then runs the stack.

fn main() -> std::process::ExitCode {
    stagecast_dev::main()
}
