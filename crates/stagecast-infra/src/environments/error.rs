//! Why there is no environment.

use constructs::settings::SettingError;

use super::{tokens::InvalidTokens, webhooks::InvalidWebhookHost};

/// Why there is no environment.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum EnvironmentError {
    /// No environment has this name.
    #[error("there is no environment '{name}'; known are {known} (infra-gen/src/lib.rs)")]
    UnknownEnvironment {
        /// The name that was given.
        name: String,
        /// The names of the existing environments.
        known: String,
    },
    /// A setting has an invalid value.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The URL of an endpoint for webhooks is not valid.
    #[error(transparent)]
    WebhookUrl(#[from] stagecast_contract::webhooks::InvalidWebhookUrl),
    /// A host for webhooks is not valid.
    #[error(transparent)]
    WebhookHost(#[from] InvalidWebhookHost),
    /// The owner tokens of the environment cannot be verified.
    #[error(transparent)]
    Tokens(#[from] InvalidTokens),
}
