//! The name of a WebSocket API's stage, checked at compile time.

/// The name of a WebSocket API's stage, which is part of its URL.
///
/// ```
/// use constructs::StageName;
///
/// const LIVE: StageName = StageName::new("live");
///
/// assert_eq!(LIVE.as_str(), "live");
/// ```
///
/// ```compile_fail,E0080
/// use constructs::StageName;
///
/// const STAGE: StageName = StageName::new("$default");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageName(&'static str);

impl StageName {
    /// Checks the name. In a constant, a name that API Gateway does not accept does not compile.
    ///
    /// # Panics
    ///
    /// If the name is `$default`, is not 1 to 128 characters long, or has other characters than letters,
    /// digits, `-` and `_`.
    #[track_caller]
    pub const fn new(name: &'static str) -> Self {
        let bytes = name.as_bytes();
        assert!(
            !matches!(bytes, b"$default"),
            "a WebSocket API has no $default stage: give its stage a name, like `live`",
        );
        assert!(
            !bytes.is_empty() && bytes.len() <= 128,
            "a stage's name has 1 to 128 characters",
        );
        assert!(
            typed_contract::names::is_alphanumeric_or(name, b"-_"),
            "a stage's name is made of letters, digits, '-' and '_'",
        );
        Self(name)
    }

    /// The name as text.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}
