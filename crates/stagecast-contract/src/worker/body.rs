//! Parses the bodies that workers send, each kind of event in its file. Errors name the offending
//! field. Cosmetic faults, such as an overlong message, are corrected and do not reject the event.

mod artifacts;
mod checkpoint;
mod endings;
mod events;
mod nesting;
mod progress;
mod stage_complete;

use serde::Deserialize;
use serde_json::{Value, json};
use typed_contract::names::is_alphanumeric_or;

pub(super) use self::endings::job_error;
pub use self::events::EVENT_TYPES;
use super::ClaimRequest;
use crate::{
    http::HttpErrorCode,
    limits::{MAX_NAME_BYTES, MAX_STAGES},
    reading::{self, FieldError},
};

/// Why a worker's body was rejected.
#[derive(Clone, Debug, thiserror::Error, PartialEq)]
#[error("{message}")]
pub struct InvalidBody {
    /// The error code of the response.
    pub code: HttpErrorCode,
    /// What is wrong and how to correct it, in English.
    pub message: String,
    /// The offending field and, for an unknown name, the name.
    pub details: Value,
}

impl InvalidBody {
    /// The error about the value of a field, named by its path such as `events[0].progress`. `problem` ends
    /// with the next step.
    pub fn field(field: impl Into<String>, problem: impl std::fmt::Display) -> Self {
        let field = field.into();
        Self {
            code: HttpErrorCode::InvalidBody,
            message: format!("`{field}`: {problem}"),
            details: json!({ "field": field }),
        }
    }
}

impl From<FieldError> for InvalidBody {
    fn from(FieldError { path, problem }: FieldError) -> Self {
        Self::field(path, problem)
    }
}

impl ClaimRequest {
    /// Parses a body. Unknown fields are ignored; every other fault is an error that names the
    /// field.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidBody> {
        let claim: Self = object(body, r#"{"stages":["count","draw"]}"#)?;
        if claim.stages.is_empty() || claim.stages.len() > MAX_STAGES {
            let problem = format!(
                "{} stages; name 1 to {MAX_STAGES} that the worker runs",
                claim.stages.len()
            );
            return Err(InvalidBody::field("stages", problem));
        }
        check_stages(&claim.stages)?;
        check_worker_id(claim.worker_id.as_deref())?;
        Ok(claim)
    }
}

/// Deserializes a body that is a JSON object. Errors name the field, or show the example.
pub(crate) fn object<'a, T: Deserialize<'a>>(
    body: &'a [u8],
    example: &str,
) -> Result<T, InvalidBody> {
    let text = reading::json(body).map_err(|problem| InvalidBody {
        code: HttpErrorCode::InvalidJson,
        message: format!("the body is not JSON: {problem}; send an object like {example}"),
        details: Value::Null,
    })?;
    reading::object("", text).map_err(|error| {
        if error.path.is_empty() {
            return InvalidBody {
                code: HttpErrorCode::InvalidBody,
                message: format!("the body: {}; send an object like {example}", error.problem),
                details: Value::Null,
            };
        }
        error.into()
    })
}

/// Checks the stages of a claim: at most [`MAX_STAGES`] valid names without duplicates.
pub(super) fn check_stages(stages: &[String]) -> Result<(), InvalidBody> {
    if stages.len() > MAX_STAGES {
        let problem = format!("{} stages; name at most {MAX_STAGES}", stages.len());
        return Err(InvalidBody::field("stages", problem));
    }
    for (index, stage) in stages.iter().enumerate() {
        check_name(&format!("stages[{index}]"), stage)?;
        if stages[..index].contains(stage) {
            let problem = format!("'{stage}' is declared twice; give each stage its own name");
            return Err(InvalidBody::field(format!("stages[{index}]"), problem));
        }
    }
    Ok(())
}

pub(super) fn check_worker_id(worker_id: Option<&str>) -> Result<(), InvalidBody> {
    worker_id.map_or(Ok(()), |worker_id| check_name("worker_id", worker_id))
}

/// Checks the name of a stage or a worker in `field`. Names are part of URLs, of the bucket's keys and of logs.
pub fn check_name(field: &str, name: &str) -> Result<(), InvalidBody> {
    let is_name =
        !name.is_empty() && name.len() <= MAX_NAME_BYTES && is_alphanumeric_or(name, b"_-");
    if is_name {
        return Ok(());
    }
    let short: String = name.chars().take(MAX_NAME_BYTES).collect();
    let problem =
        format!("'{short}' is not a name; use 1 to {MAX_NAME_BYTES} letters, digits, '_' and '-'");
    Err(InvalidBody::field(field, problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claim_rejects_stage_names_that_do_not_fit_in_a_url() {
        let claim = ClaimRequest::parse(br#"{"stages":["count","draw"],"worker_id":"a-1"}"#);
        assert_eq!(claim.expect("a claim").stages, ["count", "draw"]);
        for body in [
            r#"{"stages":[]}"#,
            r#"{"stages":["a","a"]}"#,
            r#"{"stages":["a/b"]}"#,
            r#"{"stages":[""]}"#,
            r#"{"stages":["a"],"worker_id":"a b"}"#,
            "{}",
        ] {
            let rejected = ClaimRequest::parse(body.as_bytes()).expect_err("an error");
            assert_eq!(rejected.code, HttpErrorCode::InvalidBody, "{body}");
        }
    }
}
