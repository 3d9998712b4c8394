//! Lambda functions: their triggers, permissions and environment variables.
//!
//! One declaration per function yields the trait impls that the compiler checks ([`Granted`],
//! [`HasEnvVar`]) and the [`FunctionSpec`] from which a stack is built.
//!
//! [`Granted`]: crate::grants::Granted
//! [`HasEnvVar`]: crate::environment::HasEnvVar

use crate::{
    buckets::BucketSpec,
    const_fmt::{ConstString, const_panic, equal},
    environment::{SettingSpec, WEBSOCKET_ENDPOINT},
    grants::{Grant, GrantedOn},
    queues::QueueSpec,
    tables::TableSpec,
};

/// API Gateway's timeout for an integration, in seconds.
pub const INTEGRATION_LIMIT_SECONDS: u32 = 29;

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
        /// Maximum number of messages per invocation.
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
    /// Memory in MiB. Lambda assigns CPU time in proportion to it.
    pub memory_mib: u32,
    /// Timeout of an invocation, in seconds.
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

/// The resources of a stack, against which [`check_resources`] checks its functions.
#[derive(Clone, Copy, Debug)]
pub struct StackResources {
    /// The tables of the stack.
    pub tables: &'static [&'static TableSpec],
    /// The queues of the stack.
    pub queues: &'static [&'static QueueSpec],
    /// The buckets of the stack.
    pub buckets: &'static [&'static BucketSpec],
}

/// Rejects a function that uses a table, queue or bucket that the stack does not have. The stack's resources
/// may be in several lists, for example those of a library and of its user. For a `const` item, where it
/// panics at compile time.
///
/// ```compile_fail,E0080
/// use typed_contract::functions::{Function as _, StackResources, Trigger, check_resources};
///
/// # typed_contract::table! {
/// #     /// What customers have ordered.
/// #     Orders = "orders" in "ORDERS_TABLE" {
/// #         OrderKey { order_id: String },
/// #         time_to_live: expires_at: Number,
/// #     }
/// # }
/// # typed_contract::function! {
/// #     /// Serves the orders.
/// #     OrdersFunction = "orders" {
/// #         memory_mib: 256,
/// #         timeout_seconds: 10,
/// #         retry_budget_seconds: 0,
/// #         triggers: [Trigger::HttpRoutes],
/// #         grants: {
/// #             Orders: [GetItem],
/// #         },
/// #         settings: [],
/// #     }
/// # }
/// const _: () = check_resources(
///     &[OrdersFunction::SPEC],
///     &[StackResources { tables: &[], queues: &[], buckets: &[] }],
/// );
/// ```
#[track_caller]
pub const fn check_resources(functions: &[&FunctionSpec], stack: &[StackResources]) {
    let mut index = 0;
    while index < functions.len() {
        let function = functions[index];
        let mut grant = 0;
        while grant < function.grants.len() {
            check_resource(function, function.grants[grant].on, stack);
            grant += 1;
        }
        let mut trigger = 0;
        while trigger < function.triggers.len() {
            if let Trigger::Queue { queue, .. } = function.triggers[trigger] {
                check_resource(function, GrantedOn::Queue(queue), stack);
            }
            trigger += 1;
        }
        index += 1;
    }
}

/// Rejects a resource that is declared but is not in the stack.
#[track_caller]
const fn check_resource(function: &FunctionSpec, resource: GrantedOn, stack: &[StackResources]) {
    macro_rules! is_in {
        ($list:ident, $name:expr) => {{
            let mut found = false;
            let mut part = 0;
            while part < stack.len() {
                let all = stack[part].$list;
                let mut index = 0;
                while index < all.len() {
                    found = found || equal(all[index].name, $name);
                    index += 1;
                }
                part += 1;
            }
            found
        }};
    }
    let (kind, name, is_listed) = match resource {
        GrantedOn::Table(table) | GrantedOn::Index(table, _) => {
            ("table", table.name, is_in!(tables, table.name))
        }
        GrantedOn::Queue(queue) => ("queue", queue.name, is_in!(queues, queue.name)),
        GrantedOn::Bucket(bucket) => ("bucket", bucket.name, is_in!(buckets, bucket.name)),
        // These are not resources of the stack.
        GrantedOn::Connections(_)
        | GrantedOn::Secret(_)
        | GrantedOn::Parameter(_)
        | GrantedOn::External(_) => return,
    };
    if !is_listed {
        const_panic(&[
            "the function `",
            function.name,
            "` uses the ",
            kind,
            " `",
            name,
            "`, which the stack does not have: add it to the stack's `",
            kind,
            "s`",
        ]);
    }
}

/// Rejects a function that serves an HTTP route but has no [`Trigger::HttpRoutes`]. For a `const` item,
/// where it panics at compile time.
///
/// ```compile_fail,E0080
/// use typed_contract::functions::{Function as _, Trigger, check_serves_http_route};
///
/// # typed_contract::function! {
/// #     /// Serves the orders.
/// #     OrdersFunction = "orders" {
/// #         memory_mib: 256,
/// #         timeout_seconds: 10,
/// #         retry_budget_seconds: 0,
/// #         triggers: [Trigger::WebSocketRoutes],
/// #         grants: {},
/// #         settings: [],
/// #     }
/// # }
/// const _: () = check_serves_http_route(OrdersFunction::SPEC, "/v1/orders");
/// ```
#[track_caller]
pub const fn check_serves_http_route(function: &FunctionSpec, path: &str) {
    let mut trigger = 0;
    while trigger < function.triggers.len() {
        if matches!(function.triggers[trigger], Trigger::HttpRoutes) {
            return;
        }
        trigger += 1;
    }
    const_panic(&[
        "the function `",
        function.name,
        "` serves the HTTP route `",
        path,
        "` but is not invoked for it: add Trigger::HttpRoutes to its triggers",
    ]);
}

/// Rejects a function that consumes a queue but has no [`Trigger::Queue`] with it. For a `const` item, where it
/// panics at compile time.
///
/// ```compile_fail,E0080
/// use typed_contract::functions::{Function as _, Trigger, check_consumes};
/// # use typed_contract::queues::Queue as _;
///
/// # typed_contract::queue! {
/// #     /// Orders by their ids.
/// #     Shipments = "shipments" in "SHIPMENTS_QUEUE_URL" {
/// #         message: String,
/// #         visibility_timeout_seconds: 30,
/// #         max_receives: 5,
/// #     }
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
/// const _: () = check_consumes(OrdersFunction::SPEC, Shipments::SPEC);
/// ```
#[track_caller]
pub const fn check_consumes(function: &FunctionSpec, queue: &QueueSpec) {
    let mut trigger = 0;
    while trigger < function.triggers.len() {
        if let Trigger::Queue { queue: own, .. } = function.triggers[trigger]
            && equal(own.name, queue.name)
        {
            return;
        }
        trigger += 1;
    }
    const_panic(&[
        "the function `",
        function.name,
        "` handles messages of the queue `",
        queue.name,
        "` but is not invoked for them: add Trigger::Queue with this queue to its triggers",
    ]);
}

/// Rejects a function whose timeout does not fit its time limit for sending or its triggers, or two of whose
/// resources have one environment variable.
#[doc(hidden)]
#[track_caller]
pub const fn check(function: &FunctionSpec) {
    let timeout = ConstString::number(function.timeout_seconds);
    if function.retry_budget_seconds >= function.timeout_seconds {
        const_panic(&[
            "the function `",
            function.name,
            "` may go on sending for ",
            ConstString::number(function.retry_budget_seconds).text(),
            " seconds but is ended after ",
            timeout.text(),
            ": make its retry_budget_seconds less than its timeout_seconds",
        ]);
    }
    let mut index = 0;
    while index < function.triggers.len() {
        match function.triggers[index] {
            Trigger::WebSocketRoutes | Trigger::HttpRoutes => {
                if function.timeout_seconds > INTEGRATION_LIMIT_SECONDS {
                    const_panic(&[
                        "the function `",
                        function.name,
                        "` serves routes and may run for ",
                        timeout.text(),
                        " seconds, but API Gateway gives up after ",
                        ConstString::number(INTEGRATION_LIMIT_SECONDS).text(),
                        ": make its timeout_seconds no more than that, or leave long work to a \
                         queue",
                    ]);
                }
            }
            Trigger::Queue { queue, .. } => {
                if queue.visibility_timeout_seconds < function.timeout_seconds {
                    const_panic(&[
                        "the queue `",
                        queue.name,
                        "` hides a received message for ",
                        ConstString::number(queue.visibility_timeout_seconds).text(),
                        " seconds, but its consumer `",
                        function.name,
                        "` may run for ",
                        timeout.text(),
                        ", and Lambda refuses such an event source mapping: make its \
                         visibility_timeout_seconds at least ",
                        timeout.text(),
                    ]);
                }
            }
        }
        index += 1;
    }
    check_variables(function);
}

/// Rejects a function that would get the name of one resource in the environment variable of another.
#[track_caller]
const fn check_variables(function: &FunctionSpec) {
    let mut index = 0;
    while index < function.grants.len() {
        let (name, variable) = name_and_variable(function.grants[index].on);
        let mut other = 0;
        while other < index {
            let (other_name, other_variable) = name_and_variable(function.grants[other].on);
            if equal(variable, other_variable) && !equal(name, other_name) {
                const_panic(&[
                    "the function `",
                    function.name,
                    "` uses `",
                    other_name,
                    "` and `",
                    name,
                    "`, which have the same environment variable `",
                    variable,
                    "`: give each its own",
                ]);
            }
            other += 1;
        }
        index += 1;
    }
}

const fn name_and_variable(on: GrantedOn) -> (&'static str, &'static str) {
    match on {
        GrantedOn::Table(table) | GrantedOn::Index(table, _) => (table.name, table.variable),
        GrantedOn::Queue(queue) => (queue.name, queue.variable),
        GrantedOn::Bucket(bucket) => (bucket.name, bucket.variable),
        GrantedOn::Connections(_) => ("WebSocketApi", WEBSOCKET_ENDPOINT),
        GrantedOn::Secret(secret) => (secret.name, secret.variable),
        GrantedOn::Parameter(parameter) => (parameter.name, parameter.variable),
        GrantedOn::External(resource) => (resource.name, resource.variable),
    }
}
