//! Environment variables of the functions. A function gets the variables of its grants and its
//! settings; reading any other variable does not compile.

/// A resource or value whose name a function reads from an environment variable.
pub trait Resource: 'static {
    /// The variable that holds the resource's physical name.
    const VARIABLE: &'static str;
}

/// The function `Self` has the environment variable of `R`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not given the environment variable of `{R}`",
    label = "this function is not given `{R}`",
    note = "a function is given the variables of the resources it is granted and of its settings: \
            add one or the other to the function in contract/src/functions.rs"
)]
pub trait HasEnvVar<R: Resource> {}

macro_rules! settings {
    ($($(#[$documentation:meta])* $name:ident = $variable:literal,)*) => {
        $(
            $(#[$documentation])*
            #[derive(Debug)]
            pub struct $name;

            impl Resource for $name {
                const VARIABLE: &'static str = $variable;
            }

            impl SettingMarker for $name {
                const SETTING: Setting = Setting::$name;
            }
        )*

        /// A value that infra-gen writes into a function's environment, from the configuration of
        /// the environment or from the stack.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Setting {
            $($(#[$documentation])* $name,)*
        }

        impl Setting {
            /// The name of the setting's environment variable.
            pub const fn variable(self) -> &'static str {
                match self {
                    $(Self::$name => $variable,)*
                }
            }
        }
    };
}

/// Implemented by the marker type of each [`Setting`].
pub trait SettingMarker: Resource {
    /// The setting that the type marks.
    const SETTING: Setting;
}

settings! {
    /// The URL that clients connect to, `wss://...`.
    WebSocketUrl = "WEBSOCKET_URL",
    /// Maximum number of subscriptions per connection.
    MaxSubscriptions = "MAX_SUBSCRIPTIONS",
    /// Allowed `Origin`s of browsers, separated by commas; empty to allow any.
    AllowedOrigins = "ALLOWED_ORIGINS",
    /// Minimum duration of a stage of the reference pipeline, in milliseconds. 0 except on a
    /// developer's machine, where the progress would otherwise end before it can be seen.
    StagePace = "STAGE_PACE_MS",
}

/// The id of the WebSocket API.
pub const WEBSOCKET_API_ID: &str = "WEBSOCKET_API_ID";
/// The stage of the WebSocket API.
pub const WEBSOCKET_STAGE: &str = "WEBSOCKET_STAGE";
/// The URL of `@connections`; unused where `AWS_ENDPOINT_URL` names an emulator.
pub const WEBSOCKET_ENDPOINT: &str = "WEBSOCKET_ENDPOINT";
/// The log filter of a function, in the syntax of `tracing-subscriber`'s `EnvFilter`.
pub const LOG_LEVEL: &str = "LOG_LEVEL";

/// The WebSocket API as the resource of `@connections` calls.
#[derive(Debug)]
pub struct WebSocketApi;

impl Resource for WebSocketApi {
    const VARIABLE: &'static str = WEBSOCKET_ENDPOINT;
}
