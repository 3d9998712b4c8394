//! Environment variables of the functions. Which function gets which follows from its grants and
//! its settings, so reading one that is not there does not compile.

/// Something that a function finds through an environment variable of its own.
pub trait Resource: 'static {
    /// The variable that holds the resource's physical name.
    const VARIABLE: &'static str;
}

/// The function `Self` is given the environment variable of `R`.
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

        /// A setting of a function: a value that infra-gen fills in from the environment or from
        /// the stack.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Setting {
            $($(#[$documentation])* $name,)*
        }

        impl Setting {
            /// The variable that holds the setting.
            pub const fn variable(self) -> &'static str {
                match self {
                    $(Self::$name => $variable,)*
                }
            }
        }
    };
}

/// The type that stands for a [`Setting`].
pub trait SettingMarker: Resource {
    /// The setting.
    const SETTING: Setting;
}

settings! {
    /// The address that clients connect to, `wss://...`.
    WebSocketUrl = "WEBSOCKET_URL",
    /// Jobs that one connection may be subscribed to at a time.
    MaxSubscriptions = "MAX_SUBSCRIPTIONS",
    /// Origins that a browser may connect from, separated by commas; empty for any.
    AllowedOrigins = "ALLOWED_ORIGINS",
    /// The least time that a stage of the reference pipeline takes, in milliseconds. 0 but on a
    /// developer's machine, where its progress would be over before anyone could look.
    StagePace = "STAGE_PACE_MS",
}

/// The id of the WebSocket API.
pub const WEBSOCKET_API_ID: &str = "WEBSOCKET_API_ID";
/// The stage of the WebSocket API.
pub const WEBSOCKET_STAGE: &str = "WEBSOCKET_STAGE";
/// The address of `@connections`; unused where `AWS_ENDPOINT_URL` names an emulator.
pub const WEBSOCKET_ENDPOINT: &str = "WEBSOCKET_ENDPOINT";
/// What a function logs, in the syntax of `tracing`'s environment filter.
pub const LOG_LEVEL: &str = "LOG_LEVEL";

/// The WebSocket API as a resource: `@connections` is called on it.
#[derive(Debug)]
pub struct WebSocketApi;

impl Resource for WebSocketApi {
    const VARIABLE: &'static str = WEBSOCKET_ENDPOINT;
}
