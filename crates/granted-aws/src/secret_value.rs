//! The value of a secret, and why it cannot be read.

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};

/// The value of a secret or parameter. `Debug` does not print it, and it is overwritten in memory when the
/// last clone is dropped.
#[derive(Clone, Debug)]
pub struct SecretValue(Arc<SecretString>);

impl SecretValue {
    pub(crate) fn new(value: String) -> Self {
        Self(Arc::new(value.into()))
    }

    /// The value. Pass it where it is needed, and keep no copy: a copy can be logged, and does not change when
    /// the secret is rotated.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// A secret or parameter could not be read. The error has its name, and never its value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// There is no such secret or parameter in the function's account and region.
    #[error(
        "the {kind} '{name}' does not exist: {cause}\n  help: create it in the account and region of the \
         function"
    )]
    NotFound {
        /// `secret` or `parameter`.
        kind: &'static str,
        /// Its name, with the stack's suffix.
        name: String,
        /// The service's message. The local stack says how to set the value.
        cause: String,
    },
    /// The secret has binary data instead of text.
    #[error("the secret '{name}' has binary data\n  help: store text, for example in Base64")]
    Binary {
        /// The secret's name, with the stack's suffix.
        name: String,
    },
    /// The call failed: a permission is missing, or the service or the network failed.
    #[error("the {kind} '{name}' could not be read: {cause}")]
    Failed {
        /// `secret` or `parameter`.
        kind: &'static str,
        /// Its name, with the stack's suffix.
        name: String,
        /// The error of the service or of the network.
        cause: String,
    },
}

impl SecretError {
    /// Whether an earlier value may still be used: the service or the network failed, which says nothing about
    /// the secret. A missing permission and a deleted secret are decisions of their owner.
    pub(crate) fn leaves_value_valid(&self) -> bool {
        match self {
            Self::NotFound { .. } | Self::Binary { .. } => false,
            Self::Failed { cause, .. } => !crate::is_access_denied(cause),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_print_the_value() {
        let value = SecretValue::new("hunter2".to_owned());
        assert_eq!(value.expose(), "hunter2");
        assert!(!format!("{value:?}").contains("hunter2"));
    }
}
