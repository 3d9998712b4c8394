//! The command line: `synth`, `check`, `diff`, `deploy`, `destroy`, `outputs`, `package`.

fn main() -> std::process::ExitCode {
    stagecast_infra::main(infra_gen::project())
}
