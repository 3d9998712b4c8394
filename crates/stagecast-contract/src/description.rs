//! The description of a job: the JSON body of `POST /v1/jobs` with the media type
//! [`JOB_DESCRIPTION_TYPE`].
//!
//! A body of any other media type is the input itself.

use std::collections::BTreeMap;

use raw_json::RawJson;
use serde::{Deserialize, Serialize};

use crate::{
    limits::{
        MAX_CONTENT_TYPE_BYTES, MAX_LABEL_NAME_BYTES, MAX_LABEL_VALUE_BYTES, MAX_LABELS,
        MAX_PARAMETERS_BYTES, MAX_PARAMETERS_DEPTH, MAX_SINGLE_UPLOAD_BYTES, MAX_UPLOAD_BYTES,
        truncate_with_ellipsis,
    },
    reading,
    time_limits::JobLimits,
    timestamp::Timestamp,
    webhooks::DescribedWebhook,
    worker::{InvalidBody, body},
};

/// The media type of a job description.
pub const JOB_DESCRIPTION_TYPE: &str = "application/vnd.stagecast.job+json";

/// An example of a description, for error messages.
const EXAMPLE: &str = r#"{"parameters":{},"input":{"content_type":"text/csv","size":1000000}}"#;

/// The description of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct JobDescription {
    /// A JSON object of at most 16 KB for the stages of the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<RawJson>,
    /// Names and values that the job's snapshot contains: at most 16 names of 1 to 64 lower-case letters,
    /// digits, `.`, `_` and `-`, with values of at most 256 bytes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The input. Only the job of an external worker can have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<DescribedInput>,
    /// What runs the job: the pipeline if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<DescribedWorker>,
    /// The queue from which external workers claim the job, one that the product declares. `default` is the
    /// pipeline. Without `worker`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// The priority of the job in its queue of external workers, 0 to 9: the highest is claimed first. 5 if absent.
    #[serde(
        default,
        deserialize_with = "reading::optional::<9, _>",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "schema", schemars(range(max = 9)))]
    pub priority: Option<u64>,
    /// The time limits of the job; those of the product if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<JobLimits>,
    /// When the job may start at the earliest: at most 30 days ahead, and at least an hour before the job
    /// expires. A fraction of a second is rounded up. At once if absent or past.
    #[serde(
        default,
        deserialize_with = "Timestamp::optional_rounded_up",
        skip_serializing_if = "Option::is_none"
    )]
    pub run_at: Option<Timestamp>,
    /// Days from its creation for which the job is kept, with its log, input and results: 1 to 365, at most the
    /// environment's, which is the default.
    #[serde(
        default,
        deserialize_with = "reading::optional_whole_number",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 365)))]
    pub retention_days: Option<u64>,
    /// The webhook of the job. The environment's, if it has one, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<DescribedWebhook>,
}

/// What runs a job instead of the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DescribedWorker {
    /// An external worker, which needs the response's `worker_key`.
    External,
}

/// The input in a description: `text`, `base64`, or the `size` of an input that is uploaded later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DescribedInput {
    /// The media type of the input, at most 100 bytes.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = MAX_CONTENT_TYPE_BYTES)))]
    pub content_type: String,
    /// The input itself, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The input itself, as base64 with padding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    /// Size in bytes of an input that is uploaded, 1 to 50 GB.
    #[serde(
        default,
        deserialize_with = "reading::optional_whole_number",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = MAX_UPLOAD_BYTES)))]
    pub size: Option<u64>,
    /// The SHA-256 of an input that is uploaded, 64 hexadecimal digits. S3 verifies it. Only for inputs of
    /// at most 64 MB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// An input that is uploaded to the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnouncedInput {
    /// The media type.
    pub content_type: String,
    /// Size in bytes, 1 to [`MAX_UPLOAD_BYTES`].
    pub size: u64,
    /// The SHA-256 in lower-case hexadecimal digits, of an input of at most [`MAX_SINGLE_UPLOAD_BYTES`].
    pub sha256: Option<String>,
}

impl JobDescription {
    /// Parses a body. Every fault, unknown fields included, is an error that names the field.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidBody> {
        let mut description: Self = body::object(body, EXAMPLE)?;
        if let Some(parameters) = &description.parameters {
            check_parameters(parameters)?;
        }
        check_labels(&description.labels)?;
        if let Some(input) = &mut description.input {
            input.check()?;
        }
        if let Some(limits) = &description.limits {
            limits.check()?;
        }
        Ok(description)
    }
}

impl DescribedInput {
    fn check(&mut self) -> Result<(), InvalidBody> {
        let is_visible = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        let content_type = &self.content_type;
        if content_type.trim().is_empty()
            || content_type.len() > MAX_CONTENT_TYPE_BYTES
            || !content_type.bytes().all(is_visible)
        {
            let problem = format!(
                "'{}' is not a media type; give 1 to {MAX_CONTENT_TYPE_BYTES} ASCII characters, \
                 such as text/csv",
                shown(content_type)
            );
            return Err(InvalidBody::field("input.content_type", problem));
        }
        // Runs of spaces mean the same as one, but not in the signature of a call to S3.
        self.content_type = content_type
            .split_ascii_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        let given = [
            self.text.is_some(),
            self.base64.is_some(),
            self.size.is_some(),
        ];
        if given.iter().filter(|is_given| **is_given).count() != 1 {
            let problem =
                "give one of `text` and `base64`, the input itself, and `size`, to upload it";
            return Err(InvalidBody::field("input", problem));
        }
        let Some(size) = self.size else {
            if self.sha256.is_some() {
                let problem = "is only for an input that is uploaded; leave it out, or give `size`";
                return Err(InvalidBody::field("input.sha256", problem));
            }
            return Ok(());
        };
        if size == 0 || size > MAX_UPLOAD_BYTES as u64 {
            let problem =
                format!("{size} bytes; an input that is uploaded has 1 to {MAX_UPLOAD_BYTES}");
            return Err(InvalidBody::field("input.size", problem));
        }
        let Some(sha256) = &mut self.sha256 else {
            return Ok(());
        };
        if sha256.len() != 64 || !sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let problem = format!(
                "'{}' is not a SHA-256; give 64 hexadecimal digits",
                shown(sha256)
            );
            return Err(InvalidBody::field("input.sha256", problem));
        }
        if size > MAX_SINGLE_UPLOAD_BYTES as u64 {
            let problem = format!(
                "S3 verifies the SHA-256 of an input of at most {MAX_SINGLE_UPLOAD_BYTES} bytes, and \
                 this one has {size}; leave it out, or put it into `parameters` and verify it in the \
                 first stage"
            );
            return Err(InvalidBody::field("input.sha256", problem));
        }
        sha256.make_ascii_lowercase();
        Ok(())
    }

    /// The input that is to be uploaded; none if the description contains the input.
    pub fn announced(&self) -> Option<AnnouncedInput> {
        Some(AnnouncedInput {
            content_type: self.content_type.clone(),
            size: self.size?,
            sha256: self.sha256.clone(),
        })
    }
}

fn check_parameters(parameters: &RawJson) -> Result<(), InvalidBody> {
    let problem = if !parameters.get().starts_with('{') {
        "is not a JSON object; put the values into one, such as {\"columns\":[]}".to_owned()
    } else if parameters.get().len() > MAX_PARAMETERS_BYTES {
        format!(
            "{} bytes; send at most {MAX_PARAMETERS_BYTES}, and larger data as the input",
            parameters.get().len()
        )
    } else if parameters.depth() > MAX_PARAMETERS_DEPTH {
        format!(
            "arrays and objects are nested {} levels deep; send at most {MAX_PARAMETERS_DEPTH}",
            parameters.depth()
        )
    } else {
        return Ok(());
    };
    Err(InvalidBody::field("parameters", problem))
}

/// Checks the names, the values and the number of labels.
pub fn check_labels(labels: &BTreeMap<String, String>) -> Result<(), InvalidBody> {
    if labels.len() > MAX_LABELS {
        let problem = format!("{} labels; send at most {MAX_LABELS}", labels.len());
        return Err(InvalidBody::field("labels", problem));
    }
    for (name, value) in labels {
        let field = || format!("labels.{}", shown(name));
        let is_name_byte =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        let has_valid_length = (1..=MAX_LABEL_NAME_BYTES).contains(&name.len());
        if !has_valid_length || !name.bytes().all(is_name_byte) {
            let problem = format!(
                "is not a label's name; use 1 to {MAX_LABEL_NAME_BYTES} lower-case letters, digits, \
                 '.', '_' and '-'"
            );
            return Err(InvalidBody::field(field(), problem));
        }
        if value.len() > MAX_LABEL_VALUE_BYTES {
            let problem = format!(
                "the value has {} bytes; send at most {MAX_LABEL_VALUE_BYTES}",
                value.len()
            );
            return Err(InvalidBody::field(field(), problem));
        }
    }
    Ok(())
}

/// A client's text in an error message.
fn shown(text: &str) -> String {
    truncate_with_ellipsis(text.to_owned(), MAX_LABEL_NAME_BYTES)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::http::HttpErrorCode;

    fn field_of(body: &str) -> String {
        let error = JobDescription::parse(body.as_bytes()).expect_err(body);
        assert_eq!(error.code, HttpErrorCode::InvalidBody, "{error}");
        error.details["field"].as_str().expect("a field").to_owned()
    }

    #[test]
    fn description_is_parsed_with_its_parameters_byte_for_byte() {
        let body = r#"{"parameters":{ "a": 1.0 },"labels":{"team":"maps"},"worker":"external",
            "input":{"content_type":"text/csv;  charset=utf-8","size":1e6,"sha256":"AB"}}"#
            .replace("AB", &"AB".repeat(32));
        let description = JobDescription::parse(body.as_bytes()).expect("a description");
        assert_eq!(
            description.parameters.expect("some").get(),
            r#"{ "a": 1.0 }"#
        );
        assert_eq!(description.labels["team"], "maps");
        assert_eq!(description.worker, Some(DescribedWorker::External));
        let announced = description.input.expect("an input").announced();
        assert_eq!(
            announced,
            Some(AnnouncedInput {
                content_type: "text/csv; charset=utf-8".to_owned(),
                size: 1_000_000,
                sha256: Some("ab".repeat(32)),
            })
        );
    }

    #[test]
    fn unknown_field_is_an_error_that_names_it() {
        for (body, part) in [
            (r#"{"parameter":{}}"#, "parameter"),
            (
                r#"{"input":{"content_type":"text/csv","text":"","md5":"a"}}"#,
                "md5",
            ),
            (r#"{"worker":"mine"}"#, "external"),
        ] {
            let error = JobDescription::parse(body.as_bytes()).expect_err(body);
            assert_eq!(error.code, HttpErrorCode::InvalidBody);
            assert!(error.message.contains(part), "{error}");
            assert!(!error.details["field"].is_null(), "{error}");
        }
    }

    #[test]
    fn invalid_value_is_an_error_that_names_its_field() {
        let input = |input: &str| format!(r#"{{"input":{{"content_type":"a/b",{input}}}}}"#);
        let limits = |limits: &str| format!(r#"{{"limits":{{{limits}}}}}"#);
        let long = format!(
            r#"{{"parameters":{{"a":"{}"}}}}"#,
            "x".repeat(MAX_PARAMETERS_BYTES)
        );
        let deep = format!(
            r#"{{"parameters":{{"a":{}{}}}}}"#,
            "[".repeat(MAX_PARAMETERS_DEPTH),
            "]".repeat(MAX_PARAMETERS_DEPTH)
        );
        let sha256 = format!(r#""size":67108865,"sha256":"{}""#, "0".repeat(64));
        let labels: BTreeMap<_, _> = (0..=MAX_LABELS).map(|it| (it.to_string(), "")).collect();
        for (body, field) in [
            (r#"{"parameters":[]}"#.to_owned(), "parameters"),
            (long, "parameters"),
            (deep, "parameters"),
            (json!({ "labels": labels }).to_string(), "labels"),
            (r#"{"labels":{"Team":"a"}}"#.to_owned(), "labels.Team"),
            (r#"{"labels":{"":"a"}}"#.to_owned(), "labels."),
            (r#"{"labels":{"a":1}}"#.to_owned(), "labels.a"),
            (
                json!({"labels": {"a": "é".repeat(129)}}).to_string(),
                "labels.a",
            ),
            (r#"{"input":{"text":""}}"#.to_owned(), "input.content_type"),
            (
                r#"{"input":{"content_type":" ","text":""}}"#.to_owned(),
                "input.content_type",
            ),
            (r#"{"input":{"content_type":"a/b"}}"#.to_owned(), "input"),
            (input(r#""text":"","size":1"#), "input"),
            (input(r#""size":0"#), "input.size"),
            (input(r#""size":-1"#), "input.size"),
            (input(r#""size":53687091201"#), "input.size"),
            (input(r#""text":"","sha256":"00""#), "input.sha256"),
            (input(r#""size":1,"sha256":"00""#), "input.sha256"),
            (input(&sha256), "input.sha256"),
            (limits(r#""queue_seconds":0"#), "limits.queue_seconds"),
            (limits(r#""queue_seconds":1.5"#), "limits.queue_seconds"),
            (limits(r#""run_seconds":2592001"#), "limits.run_seconds"),
            (limits(r#""run_seconds":-1"#), "limits.run_seconds"),
            (limits(r#""stage_seconds":1"#), "limits.stage_seconds"),
            (r#"{"retention_days":"7"}"#.to_owned(), "retention_days"),
            (r#"{"retention_days":1.5}"#.to_owned(), "retention_days"),
            (r#"{"run_at":"tomorrow"}"#.to_owned(), "run_at"),
            (r#"{"run_at":1705314615000}"#.to_owned(), "run_at"),
        ] {
            assert_eq!(field_of(&body), field, "{body}");
        }
    }

    #[test]
    fn body_that_is_no_object_gets_an_example() {
        for body in ["hello", "[]", ""] {
            let error = JobDescription::parse(body.as_bytes()).expect_err(body);
            assert!(error.message.contains("content_type"), "{error}");
        }
    }
}
