//! Forwards JSON from the standard input, once as text and once through `serde_json::Value`:
//! `echo '{"b":1,"a":0.10,"a":123456789012345678901234567890}' | cargo run -p raw-json --example forward`.

use std::{
    error::Error,
    io::{self, Read, Write},
};

use raw_json::RawJson;
use serde_json::Value;

fn main() -> Result<(), Box<dyn Error>> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    let received = RawJson::from_text(text)?;
    let mut output = io::stdout().lock();
    writeln!(output, "as RawJson: {}", received.get())?;
    match received.read::<Value>() {
        Ok(parsed) => writeln!(output, "as Value:   {parsed}")?,
        Err(error) => writeln!(output, "as Value:   refused, {error}")?,
    }
    writeln!(output, "depth:      {}", received.depth())?;
    Ok(())
}
