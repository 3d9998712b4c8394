//! Why a stack cannot be synthesized.

use cloudformation::{NameCollision, UntypedError};
use typed_contract::functions::FunctionSpec;

use crate::settings::NameSuffix;

/// Why a stack cannot be synthesized.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SynthError {
    /// Two parts of the template have the same name.
    #[error(transparent)]
    NameCollision(#[from] NameCollision),
    /// A resource that is given by name and properties is invalid.
    #[error("{0}")]
    Untyped(String),
    /// A property that holds JSON cannot be serialized.
    #[error("cannot write {what} as JSON: {cause}")]
    Json {
        /// The property.
        what: &'static str,
        /// The serializer's message.
        cause: String,
    },
    /// A name with the longest suffix is too long for AWS.
    #[error(
        "the {kind} name '{name}' is too long: AWS allows {limit} characters, and {suffix} of them \
         are reserved for the stack's suffix\n  help: shorten it by {excess} where the {kind} is \
         declared",
        suffix = NameSuffix::MAX_LENGTH,
        excess = name.len() + NameSuffix::MAX_LENGTH - limit,
    )]
    NameTooLong {
        /// `table` or `queue`.
        kind: &'static str,
        /// The name without the suffix.
        name: String,
        /// The largest number of characters.
        limit: usize,
    },
    /// A function refers to a resource that the stack does not have.
    #[error(
        "the function '{function}' uses the {kind} '{name}', which the stack does not have\n  help: add \
         the {kind} to the stack, and to the function's grantable resources"
    )]
    NotInStack {
        /// The name of the function.
        function: &'static str,
        /// `table`, `queue` or `bucket`.
        kind: &'static str,
        /// The name of the resource.
        name: &'static str,
    },
    /// A function may post to connections, but the stack has no WebSocket API.
    #[error(
        "the function '{function}' may use @connections, but the stack has no WebSocket API\n  help: add \
         one, and give it as `websocket` of the function's grantable resources"
    )]
    NoWebSocketApi {
        /// The name of the function.
        function: &'static str,
    },
    /// A function has a setting that the stack gives no value.
    #[error(
        "the function '{function}' has the setting '{setting}' without a value\n  help: give one with \
         SettingValues::with"
    )]
    NoSettingValue {
        /// The name of the function.
        function: &'static str,
        /// The environment variable of the setting.
        setting: &'static str,
    },
    /// A function would be invoked by a source that is not among its triggers, from which its
    /// permissions and the checks of its timeout follow.
    #[error(
        "{source_name} cannot invoke the function '{function}', which does not declare that \
         trigger\n  help: add it to the function's triggers"
    )]
    NotATrigger {
        /// The name of the function.
        function: &'static str,
        /// The queue or API.
        source_name: String,
    },
    /// A route requires a token, but its API has no authorizer.
    #[error(
        "the route '{route}' requires a token, but its API has no authorizer\n  help: give the API one, \
         or leave the route open"
    )]
    NoAuthorizer {
        /// The key of the route.
        route: String,
    },
    /// An API has two routes with the same key.
    #[error("the API '{api}' already has a route '{key}'\n  help: give each route its own key")]
    DuplicateRoute {
        /// The construct of the API.
        api: String,
        /// The key of the route.
        key: String,
    },
}

impl SynthError {
    pub(crate) const fn not_in_stack(
        function: &FunctionSpec,
        kind: &'static str,
        name: &'static str,
    ) -> Self {
        Self::NotInStack {
            function: function.name,
            kind,
            name,
        }
    }
}

// As text, because the parser's error has no equality.
impl From<UntypedError> for SynthError {
    fn from(error: UntypedError) -> Self {
        Self::Untyped(error.to_string())
    }
}
