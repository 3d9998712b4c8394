//! Which properties of which resource types force a replacement, as JSON:
//! `cargo run -p infra-gen --example replacements`.

use std::io::{self, Write};

use cloudformation_diff::replacement::RULES;

fn main() -> anyhow::Result<()> {
    let mut output = io::stdout();
    serde_json::to_writer_pretty(&mut output, RULES)?;
    writeln!(output)?;
    Ok(())
}
