//! What jobs are made from, as JSON: what the progress page is built with.

use contract::input::InputRules;
use serde::Serialize;

use super::DocumentError;

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "$comment")]
    notice: &'static str,
    #[serde(flatten)]
    rules: &'a InputRules,
}

/// The rules as the progress page reads them.
pub fn input(rules: &InputRules, notice: &'static str) -> Result<String, DocumentError> {
    let document = serde_json::to_string_pretty(&Document { notice, rules })?;
    Ok(format!("{document}\n"))
}
