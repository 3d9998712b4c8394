//! What changes in a stack when a template is deployed over another:
//! `cargo run -p cloudformation-diff --example diff -- OLD NEW`. OLD and NEW are files, or git revisions that
//! have the template as `template.yaml`. Exit code 1: they differ.

use std::{
    env,
    error::Error,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use cloudformation_diff::{Source, TemplateDocument, compare};

fn read(source: &str) -> Result<TemplateDocument, Box<dyn Error>> {
    let source: Source = source.parse()?;
    Ok(source.read(Path::new("."), Path::new("template.yaml"))?)
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [old, new] = &arguments[..] else {
        return Err("give two templates: OLD NEW".into());
    };
    let difference = compare(&read(old)?, &read(new)?);
    io::stdout().write_all(difference.to_string().as_bytes())?;
    Ok(if difference.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
