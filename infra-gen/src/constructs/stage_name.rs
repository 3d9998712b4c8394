//! The name of a stage, checked by the compiler.

/// The name of a WebSocket API's stage, part of its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageName(&'static str);

impl StageName {
    /// A name that API Gateway takes for a stage of a WebSocket API. In a constant, one that it
    /// does not take fails to compile.
    #[track_caller]
    pub const fn new(name: &'static str) -> Self {
        let bytes = name.as_bytes();
        assert!(
            !matches!(bytes, b"$default"),
            "a WebSocket API has no $default stage: give its stage a name, like `live`, in \
             infra-gen/src/stack.rs",
        );
        assert!(
            !bytes.is_empty() && bytes.len() <= 128,
            "a stage's name has 1 to 128 characters",
        );
        assert!(
            contract::names::is_alphanumeric_or(name, b"-_"),
            "a stage's name is made of letters, digits, '-' and '_'",
        );
        Self(name)
    }

    /// The name.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}
