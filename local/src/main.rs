//! `local`: the floor plans on this machine. `cargo dev` builds and runs it.

use contract::StagePace;
use stagecast_local::Local;

fn main() -> std::process::ExitCode {
    let workspace = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    Local::new(infra_gen::project(), workspace)
        // Without a delay, the progress of a small plan ends before it can be seen.
        .with_setting::<StagePace>("4000")
        .main()
}
