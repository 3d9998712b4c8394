//! Named files that a job produces.

use serde::{Deserialize, Serialize};
use typed_contract::names::is_alphanumeric_or;

#[cfg(feature = "schema")]
use crate::limits::MAX_ARTIFACT_BYTES;
use crate::{
    limits::{MAX_ARTIFACT_NAME_BYTES, MAX_CONTENT_TYPE_BYTES},
    reading,
};

/// The characters of the name of an artifact.
#[cfg(feature = "schema")]
const NAME_PATTERN: &str = "^[A-Za-z0-9_-][A-Za-z0-9._-]*$";

/// The characters of the media type of an artifact.
#[cfg(feature = "schema")]
const TYPE_PATTERN: &str = r"^[ !#-\[\]-~]*/[ !#-\[\]-~]*$";

/// The digits of a SHA-256.
#[cfg(feature = "schema")]
const SHA256_PATTERN: &str = "^[0-9a-f]{64}$";

/// A named file that the job has produced. `GET /v1/jobs/{job_id}/artifacts/{name}` redirects to its
/// content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Artifact {
    /// The name, unique within the job: letters, digits, `.`, `_` and `-`, not starting with a dot.
    #[serde(deserialize_with = "reading::text")]
    #[cfg_attr(
        feature = "schema",
        schemars(length(min = 1, max = MAX_ARTIFACT_NAME_BYTES), regex(pattern = NAME_PATTERN))
    )]
    pub name: String,
    /// The media type, in printable ASCII without quotes and backslashes.
    #[serde(deserialize_with = "reading::text")]
    #[cfg_attr(
        feature = "schema",
        schemars(length(max = MAX_CONTENT_TYPE_BYTES), regex(pattern = TYPE_PATTERN))
    )]
    pub content_type: String,
    /// Size of the content, in bytes.
    #[serde(deserialize_with = "reading::whole_number")]
    #[cfg_attr(feature = "schema", schemars(range(max = MAX_ARTIFACT_BYTES)))]
    pub size: u64,
    /// The SHA-256 of the content, in 64 lower-case hexadecimal digits.
    #[serde(deserialize_with = "reading::text")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = SHA256_PATTERN)))]
    pub sha256: String,
}

/// Whether `name` can be the name of an artifact.
pub const fn is_artifact_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    !bytes.is_empty()
        && bytes.len() <= MAX_ARTIFACT_NAME_BYTES
        && bytes[0] != b'.'
        && is_alphanumeric_or(name, b"._-")
}

/// A field of an artifact that is not valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidArtifact {
    /// The field.
    pub field: &'static str,
    /// The value and the rule.
    pub problem: String,
}

impl Artifact {
    /// Checks the fields of an artifact that an external worker describes, of at most `max_bytes`.
    pub fn check(&self, max_bytes: u64) -> Result<(), InvalidArtifact> {
        let invalid = |field, problem| Err(InvalidArtifact { field, problem });
        let short = |text: &str| text.chars().take(64).collect::<String>();
        if !is_artifact_name(&self.name) {
            let problem = format!(
                "'{}' is not a name; use 1 to {MAX_ARTIFACT_NAME_BYTES} letters, digits, '.', '_' and '-', \
                 not starting with a dot",
                short(&self.name)
            );
            return invalid("name", problem);
        }
        let is_safe = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        let is_type = self.content_type.contains('/')
            && self.content_type.len() <= MAX_CONTENT_TYPE_BYTES
            && self.content_type.bytes().all(is_safe);
        if !is_type {
            let problem = format!(
                "'{}' is not a media type; use one such as 'text/csv', of at most \
                 {MAX_CONTENT_TYPE_BYTES} printable ASCII characters without quotes and backslashes",
                short(&self.content_type)
            );
            return invalid("content_type", problem);
        }
        if self.size > max_bytes {
            let problem = format!(
                "{} bytes are more than {max_bytes}; split the file, or keep it elsewhere and send its \
                 address in the results",
                self.size
            );
            return invalid("size", problem);
        }
        let is_digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
        if self.sha256.len() != 64 || !self.sha256.bytes().all(is_digit) {
            let problem = format!(
                "'{}' is not a SHA-256; send 64 lower-case hexadecimal digits",
                short(&self.sha256)
            );
            return invalid("sha256", problem);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_invalid_field_is_named() {
        let artifact = Artifact {
            name: "report.pdf".to_owned(),
            content_type: "application/pdf".to_owned(),
            size: 3,
            sha256: "0a".repeat(32),
        };
        assert_eq!(artifact.check(3), Ok(()));
        let wrong = |change: fn(&mut Artifact)| {
            let mut artifact = artifact.clone();
            change(&mut artifact);
            artifact.check(3).expect_err("invalid").field
        };
        for name in ["", ".a", "a/b", "a b", "é", "a\"b"] {
            assert!(!is_artifact_name(name), "{name}");
        }
        assert_eq!(wrong(|it| it.name = ".hidden".to_owned()), "name");
        assert_eq!(
            wrong(|it| it.content_type = "pdf".to_owned()),
            "content_type"
        );
        assert_eq!(
            wrong(|it| it.content_type = "a/\n".to_owned()),
            "content_type"
        );
        assert_eq!(wrong(|it| it.size = 4), "size");
        assert_eq!(wrong(|it| it.sha256 = "0A".repeat(32)), "sha256");
    }
}
