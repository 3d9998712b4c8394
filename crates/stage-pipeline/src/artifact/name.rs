//! The names of artifacts.

use std::{borrow::Cow, fmt, ops::Deref, str::FromStr};

/// Longest name of an artifact, in bytes.
const MAX_NAME_BYTES: usize = 128;

/// The name of an artifact: 1 to 128 characters of `A-Z`, `a-z`, `0-9`, `.`, `_` and `-`, not starting with a
/// dot. It is the name of the file that is downloaded, too.
///
/// A name that is constant is checked at compile time:
///
/// ```
/// use stage_pipeline::ArtifactName;
///
/// const REPORT: ArtifactName = ArtifactName::new("report.pdf");
/// assert_eq!(&*REPORT, "report.pdf");
/// ```
///
/// ```compile_fail,E0080
/// # use stage_pipeline::ArtifactName;
/// const REPORT: ArtifactName = ArtifactName::new("my report.pdf");
/// ```
///
/// Others are parsed:
///
/// ```
/// # use stage_pipeline::ArtifactName;
/// let page = 3;
/// let name: ArtifactName = format!("page-{page}.png").parse().unwrap();
/// assert!("../page.png".parse::<ArtifactName>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArtifactName(Cow<'static, str>);

/// A text that is not the name of an artifact.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{name}' cannot be the name of an artifact; use 1 to 128 characters of A-Z, a-z, 0-9, '.', '_' and '-', \
     not starting with a dot"
)]
pub struct InvalidArtifactName {
    /// The text, cut.
    name: String,
}

impl ArtifactName {
    /// A constant name.
    ///
    /// # Panics
    ///
    /// If it is not a name. In a constant, that is a compile error.
    pub const fn new(name: &'static str) -> Self {
        assert!(
            is_artifact_name(name),
            "the name of an artifact has 1 to 128 characters of A-Z, a-z, 0-9, '.', '_' and '-', and does \
             not start with a dot"
        );
        Self(Cow::Borrowed(name))
    }
}

/// Whether an artifact may have this name.
const fn is_artifact_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes.len() > MAX_NAME_BYTES || bytes[0] == b'.' {
        return false;
    }
    let mut index = 0;
    while index < bytes.len() {
        let byte = bytes[index];
        if !(byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')) {
            return false;
        }
        index += 1;
    }
    true
}

impl TryFrom<String> for ArtifactName {
    type Error = InvalidArtifactName;

    fn try_from(name: String) -> Result<Self, InvalidArtifactName> {
        if is_artifact_name(&name) {
            return Ok(Self(Cow::Owned(name)));
        }
        let name = name.chars().take(MAX_NAME_BYTES).collect();
        Err(InvalidArtifactName { name })
    }
}

impl TryFrom<&str> for ArtifactName {
    type Error = InvalidArtifactName;

    fn try_from(name: &str) -> Result<Self, InvalidArtifactName> {
        name.to_owned().try_into()
    }
}

impl FromStr for ArtifactName {
    type Err = InvalidArtifactName;

    fn from_str(name: &str) -> Result<Self, InvalidArtifactName> {
        name.try_into()
    }
}

impl Deref for ArtifactName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ArtifactName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_in_urls_headers_and_folders() {
        for name in ["a", "A-1_b.tar.gz", &"x".repeat(128)] {
            assert_eq!(&*name.parse::<ArtifactName>().unwrap(), name);
        }
        for wrong in [
            "",
            ".",
            "..",
            ".hidden",
            "a/b",
            "a b",
            "é",
            "a\"",
            &"x".repeat(129),
        ] {
            let error = wrong.parse::<ArtifactName>().unwrap_err();
            assert!(error.to_string().contains("1 to 128"), "{error}");
        }
    }
}
