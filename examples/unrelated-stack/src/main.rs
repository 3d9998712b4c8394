//! Prints the template, or what a deployment would change.

use std::{
    env,
    error::Error,
    io::{self, Write},
    path::Path,
};

use cloudformation::Format;
use cloudformation_diff::{Source, TemplateDocument, compare};
use unrelated_stack::stack::{Settings, template};

fn main() -> Result<(), Box<dyn Error>> {
    let template = template(&Settings::default())?;
    if let Some(error) = template.check_references()?.into_iter().next() {
        return Err(error.into());
    }
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let printed = match arguments[..] {
        [] => template.render(Format::CloudFormation).to_yaml()?,
        ["--sam"] => template.render(Format::Sam).to_yaml()?,
        ["--against", deployed] => {
            let source: Source = deployed.parse()?;
            let old = source.read(Path::new("."), Path::new("deployed.yaml"))?;
            let new = TemplateDocument::from_json(template.to_json(Format::CloudFormation)?)?;
            compare(&old, &new).to_string()
        }
        _ => return Err("give nothing, --sam, or --against FILE".into()),
    };
    Ok(io::stdout().write_all(printed.as_bytes())?)
}
