//! Embeds the files of the progress page and of the API documentation in the executable.

use std::{env, error::Error, fmt::Write as _, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    embed("../../generated/page", "page_files.rs")?;
    embed("../../generated/docs", "docs_files.rs")
}

/// Writes a Rust table of name and content of each file in `folder` to `OUT_DIR/table_name`.
fn embed(folder: &str, table_name: &str) -> Result<(), Box<dyn Error>> {
    let page = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join(folder);
    println!("cargo::rerun-if-changed={}", page.display());
    let mut files = Vec::new();
    if page.is_dir() {
        for entry in fs::read_dir(&page)? {
            let path = entry?.path().canonicalize()?;
            if path.is_file() {
                files.push(path);
            }
        }
    }
    files.sort();
    let mut table = String::from("&[\n");
    for path in files {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        writeln!(
            table,
            "    ({name:?}, include_bytes!({:?})),",
            path.to_string_lossy()
        )?;
    }
    table.push_str("]\n");
    let generated = Path::new(&env::var("OUT_DIR")?).join(table_name);
    fs::write(generated, table)?;
    Ok(())
}
