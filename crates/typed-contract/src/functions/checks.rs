//! Checks of functions at compile time.

use super::{
    DEFAULT_EPHEMERAL_STORAGE_MIB, FunctionSpec, INTEGRATION_LIMIT_SECONDS, MAX_BATCH_SIZE,
    MAX_EPHEMERAL_STORAGE_MIB, MAX_TIMEOUT_SECONDS, MEMORY_LIMITS_MIB, Trigger,
};
use crate::{
    buckets::BucketSpec,
    const_fmt::{ConstString, const_panic, equal},
    environment::WEBSOCKET_ENDPOINT,
    grants::GrantedOn,
    queues::QueueSpec,
    tables::TableSpec,
};

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

/// Rejects a function with memory, ephemeral storage, a timeout or a batch size that Lambda does not have,
/// whose timeout does not fit its time limit for sending or its triggers, or two of whose resources have one
/// environment variable.
#[doc(hidden)]
#[track_caller]
pub const fn check(function: &FunctionSpec) {
    check_range(
        function,
        "memory_mib",
        function.memory_mib,
        (*MEMORY_LIMITS_MIB.start(), *MEMORY_LIMITS_MIB.end()),
    );
    check_range(
        function,
        "timeout_seconds",
        function.timeout_seconds,
        (1, MAX_TIMEOUT_SECONDS),
    );
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
    let storage = function.ephemeral_storage_mib;
    if storage < DEFAULT_EPHEMERAL_STORAGE_MIB || storage > MAX_EPHEMERAL_STORAGE_MIB {
        const_panic(&[
            "the function `",
            function.name,
            "` declares an ephemeral_storage_mib of ",
            ConstString::number(storage).text(),
            ": make it ",
            ConstString::number(DEFAULT_EPHEMERAL_STORAGE_MIB).text(),
            " to ",
            ConstString::number(MAX_EPHEMERAL_STORAGE_MIB).text(),
            ", or leave it out for ",
            ConstString::number(DEFAULT_EPHEMERAL_STORAGE_MIB).text(),
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
            Trigger::Queue { queue, batch_size } => {
                check_range(function, "batch_size", batch_size, (1, MAX_BATCH_SIZE));
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

/// Rejects a number that Lambda does not accept.
#[track_caller]
const fn check_range(function: &FunctionSpec, field: &str, value: u32, limits: (u32, u32)) {
    if value < limits.0 || value > limits.1 {
        const_panic(&[
            "the function `",
            function.name,
            "` declares a ",
            field,
            " of ",
            ConstString::number(value).text(),
            ", which Lambda does not accept: make it ",
            ConstString::number(limits.0).text(),
            " to ",
            ConstString::number(limits.1).text(),
        ]);
    }
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
