//! The suffix of the names of tables and queues.

use std::borrow::Cow;

use super::SettingError;

/// The suffix of the names of tables and queues, so that one account can hold several stacks: up to
/// [`Self::MAX_LENGTH`] letters, digits, hyphens and underscores. The default is empty.
///
/// ```
/// use constructs::settings::NameSuffix;
///
/// const STAGING: NameSuffix = NameSuffix::from_static("-staging");
///
/// assert_eq!(NameSuffix::new("-staging"), Ok(STAGING));
/// ```
///
/// ```compile_fail,E0080
/// use constructs::settings::NameSuffix;
///
/// const STAGING: NameSuffix = NameSuffix::from_static("/staging");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameSuffix(Cow<'static, str>);

impl NameSuffix {
    /// The largest number of characters. A name that does not fit AWS's limit with such a suffix fails
    /// the synthesis: a queue's name has room for 40 characters of its 80.
    pub const MAX_LENGTH: usize = typed_contract::names::MAX_SUFFIX_LENGTH;

    /// Validates a suffix, which includes its separator: `-staging`.
    pub fn new(suffix: &str) -> Result<Self, SettingError> {
        if Self::fits(suffix) {
            Ok(Self(suffix.to_owned().into()))
        } else {
            Err(SettingError::InvalidNameSuffix {
                suffix: suffix.to_owned(),
                max_length: Self::MAX_LENGTH,
            })
        }
    }

    /// Checks a suffix. In a constant, an invalid one does not compile.
    ///
    /// # Panics
    ///
    /// If the suffix is too long or has other characters.
    #[track_caller]
    pub const fn from_static(suffix: &'static str) -> Self {
        assert!(
            Self::fits(suffix),
            "a name suffix has up to 40 letters, digits, '-' and '_'",
        );
        Self(Cow::Borrowed(suffix))
    }

    const fn fits(suffix: &str) -> bool {
        suffix.len() <= Self::MAX_LENGTH && typed_contract::names::is_alphanumeric_or(suffix, b"-_")
    }

    /// The rule of [`Self::new`] as a pattern for CloudFormation's parameter.
    pub fn pattern() -> String {
        format!("[-_A-Za-z0-9]{{0,{}}}", Self::MAX_LENGTH)
    }

    /// The suffix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_suffix_is_refused_with_its_text() {
        assert!(NameSuffix::new("-staging").is_ok());
        assert!(NameSuffix::new("").is_ok());
        for suffix in [" b", "ä", "${x}", &"a".repeat(41)] {
            let error = NameSuffix::new(suffix).expect_err(suffix).to_string();
            assert!(error.contains(&format!("'{suffix}'")), "{error}");
        }
    }
}
