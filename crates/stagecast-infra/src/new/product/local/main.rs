//! The stack of the development environment on this machine.

fn main() -> std::process::ExitCode {
    stagecast_local::main(&infra_gen::project())
}
