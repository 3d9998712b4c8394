//! The rules for the input of jobs as JSON, with which the progress page is built.

use serde::Serialize;
use stagecast_contract::input::InputRules;

use super::DocumentError;

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "$comment")]
    notice: &'static str,
    #[serde(flatten)]
    rules: &'a InputRules,
}

/// Writes the rules as JSON with a comment.
pub fn input(rules: &InputRules, notice: &'static str) -> Result<String, DocumentError> {
    let document = serde_json::to_string_pretty(&Document { notice, rules })?;
    Ok(format!("{document}\n"))
}
