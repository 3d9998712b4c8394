//! Environment variables of the functions. A function gets the variables of its grants and its
//! settings; reading any other variable does not compile.

/// A resource or value whose name a function reads from an environment variable.
pub trait Resource: 'static {
    /// The variable that holds the resource's physical name.
    const VARIABLE: &'static str;
}

/// The function `Self` has the environment variable of `R`.
///
/// ```
/// use typed_contract::{environment::HasEnvVar, functions::Trigger};
///
/// typed_contract::settings! {
///     /// Maximum number of items in an order.
///     MaxItems = "MAX_ITEMS",
/// }
///
/// typed_contract::function! {
///     /// Serves the orders.
///     OrdersFunction = "orders" {
///         memory_mib: 256,
///         timeout_seconds: 10,
///         retry_budget_seconds: 0,
///         triggers: [Trigger::HttpRoutes],
///         grants: {},
///         settings: [MaxItems],
///     }
/// }
///
/// fn variable<F: HasEnvVar<R>, R: typed_contract::environment::Resource>() -> &'static str {
///     R::VARIABLE
/// }
///
/// assert_eq!(variable::<OrdersFunction, MaxItems>(), "MAX_ITEMS");
/// ```
///
/// A setting that the function does not list is not in its environment:
///
/// ```compile_fail,E0277
/// # use typed_contract::{environment::HasEnvVar, functions::Trigger};
/// # typed_contract::settings! {
/// #     /// Maximum number of items in an order.
/// #     MaxItems = "MAX_ITEMS",
/// # }
/// # typed_contract::function! {
/// #     /// Serves the orders.
/// #     OrdersFunction = "orders" {
/// #         memory_mib: 256,
/// #         timeout_seconds: 10,
/// #         retry_budget_seconds: 0,
/// #         triggers: [Trigger::HttpRoutes],
/// #         grants: {},
/// #         settings: [],
/// #     }
/// # }
/// fn max_items<F: HasEnvVar<MaxItems>>() {}
///
/// max_items::<OrdersFunction>();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not given the environment variable of `{R}`",
    label = "this function is not given `{R}`",
    note = "a function is given the variables of the resources it is granted and of its settings: \
            add one or the other to the function's declaration"
)]
pub trait HasEnvVar<R: Resource> {}

/// The properties of a setting: a value that a stack writes into a function's environment, and that is
/// not the name of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SettingSpec {
    /// The environment variable that holds the value.
    pub variable: &'static str,
}

/// A setting that is declared with `settings!`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a setting",
    label = "this takes a setting",
    note = "settings are declared with `settings!`"
)]
pub trait Setting: Resource {
    /// The properties of the setting.
    const SPEC: &'static SettingSpec;
}

/// Declares settings: for each its type and its environment variable.
///
/// ```
/// use typed_contract::environment::Setting as _;
///
/// typed_contract::settings! {
///     /// The address that customers can reply to.
///     ReplyAddress = "REPLY_ADDRESS",
///     /// Maximum number of items in an order.
///     MaxItems = "MAX_ITEMS",
/// }
///
/// assert_eq!(MaxItems::SPEC.variable, "MAX_ITEMS");
/// ```
#[macro_export]
macro_rules! settings {
    ($($(#[$documentation:meta])* $setting:ident = $variable:literal),* $(,)?) => {
        $(
            $(#[$documentation])*
            #[derive(Debug)]
            pub struct $setting;

            impl $crate::environment::Resource for $setting {
                const VARIABLE: &'static str = $variable;
            }

            impl $crate::environment::Setting for $setting {
                const SPEC: &'static $crate::environment::SettingSpec =
                    &$crate::environment::SettingSpec { variable: $variable };
            }
        )*
    };
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
