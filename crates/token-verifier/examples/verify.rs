//! Verifies a token: `verify KEYS.json AUDIENCE < TOKEN`.

use std::{io::Read as _, time::UNIX_EPOCH};

use serde_json::Value;
use token_verifier::{Expected, KeySet, verify};

#[expect(clippy::print_stdout, reason = "a program for the terminal")]
#[expect(clippy::disallowed_methods, reason = "no test calls this program")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(path), Some(audience)) = (arguments.next(), arguments.next()) else {
        return Err("usage: verify KEYS.json AUDIENCE < TOKEN".into());
    };
    let keys = KeySet::parse(&std::fs::read_to_string(path)?)?;
    let mut token = String::new();
    std::io::stdin().read_to_string(&mut token)?;
    let now = std::time::SystemTime::now().duration_since(UNIX_EPOCH)?;
    let expected = Expected {
        audience: &audience,
        issuer: None,
    };
    let verified = verify::<Value>(
        token.trim(),
        &keys,
        &expected,
        i64::try_from(now.as_secs())?,
    )?;
    println!("{:#}", verified.claims);
    Ok(())
}
