//! Lambda functions: their triggers, permissions and environment variables.
//!
//! One declaration per function yields the trait impls that the compiler checks ([`Granted`],
//! [`HasEnvVar`]) and the [`FunctionSpec`] from which a stack is built.
//!
//! [`Granted`]: crate::grants::Granted
//! [`HasEnvVar`]: crate::environment::HasEnvVar

mod checks;

#[doc(hidden)]
pub use checks::check;
pub use checks::{StackResources, check_consumes, check_resources, check_serves_http_route};

use std::ops::RangeInclusive;

use crate::{environment::SettingSpec, grants::Grant, queues::QueueSpec};

/// API Gateway's timeout for an integration, in seconds.
pub const INTEGRATION_LIMIT_SECONDS: u32 = 29;

/// The ephemeral storage of a function that declares none, in MiB: the folder `/tmp`. Lambda does not charge
/// for it.
pub const DEFAULT_EPHEMERAL_STORAGE_MIB: u32 = 512;

/// The most ephemeral storage that a function of Lambda can have, in MiB.
pub const MAX_EPHEMERAL_STORAGE_MIB: u32 = 10_240;

/// The least and the most memory that a function of Lambda can have, in MiB.
pub const MEMORY_LIMITS_MIB: RangeInclusive<u32> = 128..=10_240;

/// The longest timeout of a function of Lambda, in seconds.
pub const MAX_TIMEOUT_SECONDS: u32 = 900;

/// The most messages of a queue that Lambda passes to one invocation without a batching window.
pub const MAX_BATCH_SIZE: u32 = 10;

/// An event source of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Every route of the WebSocket API.
    WebSocketRoutes,
    /// The routes of the HTTP API that the contract assigns to this function.
    HttpRoutes,
    /// The messages of a queue.
    Queue {
        /// The queue that Lambda polls.
        queue: &'static QueueSpec,
        /// Maximum number of messages per invocation, 1 to [`MAX_BATCH_SIZE`].
        batch_size: u32,
    },
}

/// The properties of a function in the template.
#[derive(Debug, PartialEq, Eq)]
pub struct FunctionSpec {
    /// The function's name, which is also the name of its executable.
    pub name: &'static str,
    /// The function's description in the template: the first sentence of its documentation.
    pub description: &'static str,
    /// Memory in MiB, in [`MEMORY_LIMITS_MIB`]. Lambda assigns CPU time in proportion to it.
    pub memory_mib: u32,
    /// The size of the folder `/tmp` in MiB: [`DEFAULT_EPHEMERAL_STORAGE_MIB`] to
    /// [`MAX_EPHEMERAL_STORAGE_MIB`].
    pub ephemeral_storage_mib: u32,
    /// Timeout of an invocation, in seconds, 1 to [`MAX_TIMEOUT_SECONDS`].
    pub timeout_seconds: u32,
    /// Time limit for sending one message including its retries, in seconds; 0 if the function
    /// sends none.
    pub retry_budget_seconds: u32,
    /// The event sources of the function.
    pub triggers: &'static [Trigger],
    /// The permissions of the function.
    pub grants: &'static [Grant],
    /// The settings that the function gets as environment variables, in addition to the names of
    /// the resources that it is granted.
    pub settings: &'static [&'static SettingSpec],
}

/// A Lambda function that is declared with `function!`.
pub trait Function: 'static {
    /// The properties of the function in the template.
    const SPEC: &'static FunctionSpec;
}

/// Declares a function: its type, triggers, permissions and settings. The documentation's first sentence
/// is also its description in the template.
///
/// ```
/// use typed_contract::functions::{Function as _, Trigger};
///
/// # typed_contract::table! {
/// #     /// What customers have ordered.
/// #     Orders = "orders" in "ORDERS_TABLE" {
/// #         OrderKey { order_id: String },
/// #         time_to_live: expires_at: Number,
/// #     }
/// # }
///
/// typed_contract::function! {
///     /// Serves the orders.
///     OrdersFunction = "orders" {
///         memory_mib: 256,
///         timeout_seconds: 10,
///         retry_budget_seconds: 0,
///         triggers: [Trigger::HttpRoutes],
///         grants: {
///             Orders: [GetItem, PutItem],
///         },
///         settings: [],
///     }
/// }
///
/// assert_eq!(OrdersFunction::SPEC.description, "Serves the orders.");
/// ```
///
/// A function that needs more room for files than 512 MiB declares it in MiB, up to 10,240, after
/// `memory_mib`. Lambda charges for what is beyond 512 MiB, by time:
///
/// ```
/// use typed_contract::functions::{Function as _, Trigger};
///
/// typed_contract::function! {
///     /// Unpacks archives.
///     ArchivesFunction = "archives" {
///         memory_mib: 256,
///         ephemeral_storage_mib: 4096,
///         timeout_seconds: 10,
///         retry_budget_seconds: 0,
///         triggers: [Trigger::HttpRoutes],
///         grants: {},
///         settings: [],
///     }
/// }
///
/// assert_eq!(ArchivesFunction::SPEC.ephemeral_storage_mib, 4096);
/// ```
///
/// A size that Lambda does not have does not compile:
///
/// ```compile_fail,E0080
/// use typed_contract::functions::Trigger;
///
/// typed_contract::function! {
///     /// Unpacks archives.
///     ArchivesFunction = "archives" {
///         memory_mib: 256,
///         ephemeral_storage_mib: 20480,
///         timeout_seconds: 10,
///         retry_budget_seconds: 0,
///         triggers: [Trigger::HttpRoutes],
///         grants: {},
///         settings: [],
///     }
/// }
/// ```
///
/// A function that serves routes for longer than API Gateway waits does not compile:
///
/// ```compile_fail,E0080
/// use typed_contract::functions::Trigger;
///
/// typed_contract::function! {
///     /// Serves the orders.
///     OrdersFunction = "orders" {
///         memory_mib: 256,
///         timeout_seconds: 60,
///         retry_budget_seconds: 0,
///         triggers: [Trigger::HttpRoutes],
///         grants: {},
///         settings: [],
///     }
/// }
/// ```
///
/// Nor does one that may run for longer than its queue hides a message:
///
/// ```compile_fail,E0080
/// use typed_contract::{functions::Trigger, queues::Queue as _};
///
/// typed_contract::queue! {
///     /// Orders by their ids.
///     Shipments = "shipments" in "SHIPMENTS_QUEUE_URL" {
///         message: String,
///         visibility_timeout_seconds: 30,
///         max_receives: 5,
///     }
/// }
///
/// typed_contract::function! {
///     /// Serves the orders.
///     OrdersFunction = "orders" {
///         memory_mib: 256,
///         timeout_seconds: 60,
///         retry_budget_seconds: 0,
///         triggers: [Trigger::Queue { queue: Shipments::SPEC, batch_size: 1 }],
///         grants: {},
///         settings: [],
///     }
/// }
/// ```
///
/// Nor a grant that its resource does not have:
///
/// ```compile_fail,E0277
/// # use typed_contract::functions::Trigger;
/// # typed_contract::table! {
/// #     /// What customers have ordered.
/// #     Orders = "orders" in "ORDERS_TABLE" {
/// #         OrderKey { order_id: String },
/// #         time_to_live: expires_at: Number,
/// #     }
/// # }
/// typed_contract::function! {
///     /// Serves the orders.
///     OrdersFunction = "orders" {
///         memory_mib: 256,
///         timeout_seconds: 10,
///         retry_budget_seconds: 0,
///         triggers: [Trigger::HttpRoutes],
///         grants: {
///             Orders: [SendMessage],
///         },
///         settings: [],
///     }
/// }
/// ```
#[macro_export]
macro_rules! function {
    (
        #[doc = $description:literal]
        $function:ident = $name:literal {
            memory_mib: $memory:literal,
            $(ephemeral_storage_mib: $storage:literal,)?
            timeout_seconds: $timeout:literal,
            retry_budget_seconds: $budget:literal,
            triggers: [$($trigger:expr),+ $(,)?],
            grants: {
                $($resource:path: [$($operation:ident),+ $(,)?],)*
            },
            settings: [$($setting:path),* $(,)?],
        }
    ) => {
        #[doc = $description]
        #[derive(Debug)]
        pub struct $function;

        impl $crate::functions::Function for $function {
            const SPEC: &'static $crate::functions::FunctionSpec =
                &$crate::functions::FunctionSpec {
                    name: $name,
                    description: $description.trim_ascii(),
                    memory_mib: $memory,
                    ephemeral_storage_mib: {
                        let declared: &[u32] = &[$($storage)?];
                        match declared {
                            [storage, ..] => *storage,
                            [] => $crate::functions::DEFAULT_EPHEMERAL_STORAGE_MIB,
                        }
                    },
                    timeout_seconds: $timeout,
                    retry_budget_seconds: $budget,
                    triggers: &[$($trigger),+],
                    grants: &[$($(
                        <$crate::granted_operation!($operation $resource)
                            as $crate::grants::Operation>::GRANT,
                    )+)*],
                    settings: &[$(
                        <$setting as $crate::environment::Setting>::SPEC,
                    )*],
                };
        }

        $(
            #[diagnostic::do_not_recommend]
            impl $crate::environment::HasEnvVar<$resource> for $function {}
            $(
                #[diagnostic::do_not_recommend]
                impl $crate::grants::Granted<$crate::granted_operation!($operation $resource)>
                    for $function
                {
                }
            )+
        )*
        $(
            #[diagnostic::do_not_recommend]
            impl $crate::environment::HasEnvVar<$setting> for $function {}
        )*

        const _: () =
            $crate::functions::check(<$function as $crate::functions::Function>::SPEC);
    };
}
