//! The stack of the environment `dev` on this machine. `cargo dev` builds and runs it.

fn main() -> std::process::ExitCode {
    let workspace = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    stagecast_local::Local::new(infra_gen::project(), workspace).main()
}
