//! SQS queues and the types of their messages.

use serde::{Deserialize, Serialize};

use crate::{
    const_fmt::{ConstString, const_panic},
    environment::Resource,
    names::is_alphanumeric_or,
};

/// The longest visibility timeout of a queue, in seconds: 12 hours.
pub const MAX_VISIBILITY_TIMEOUT_SECONDS: u32 = 43_200;

/// The most receives before SQS moves a message to the dead-letter queue.
pub const MAX_RECEIVES: u32 = 1_000;

/// The properties of a queue and its dead-letter queue in the template.
#[derive(Debug, PartialEq, Eq)]
pub struct QueueSpec {
    /// The queue's name, before the stack's suffix.
    pub name: &'static str,
    /// The environment variable that holds the queue's URL in functions that use it.
    pub variable: &'static str,
    /// The visibility timeout, in seconds. It is at least the consumer's timeout, because Lambda
    /// rejects the event source mapping otherwise, and no longer than that, because it is also how
    /// long a message waits if its consumer dies at once. Lambda's documentation advises six
    /// timeouts, so that a throttled invocation is retried before the message becomes visible;
    /// here, `max_receives` leaves room for such receives instead. At most
    /// [`MAX_VISIBILITY_TIMEOUT_SECONDS`].
    pub visibility_timeout_seconds: u32,
    /// Number of receives after which SQS moves a message to the dead-letter queue, 1 to [`MAX_RECEIVES`].
    pub max_receives: u32,
}

/// An SQS queue that is declared with `queue!`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a queue",
    label = "this takes a queue",
    note = "queues are declared with `queue!`"
)]
pub trait Queue: Resource {
    /// The type of the queue's messages.
    type Message: Serialize + for<'de> Deserialize<'de>;
    /// The properties of the queue in the template.
    const SPEC: &'static QueueSpec;
}

/// Declares a queue: its type, its message type and its properties.
///
/// ```
/// #[derive(serde::Serialize, serde::Deserialize)]
/// pub struct Shipment {
///     pub order_id: String,
/// }
///
/// typed_contract::queue! {
///     /// Orders that wait for their shipment.
///     Shipments = "shipments" in "SHIPMENTS_QUEUE_URL" {
///         message: Shipment,
///         visibility_timeout_seconds: 60,
///         max_receives: 5,
///     }
/// }
/// ```
///
/// A queue that SQS does not accept does not compile, such as one that hides messages for more than 12 hours:
///
/// ```compile_fail,E0080
/// typed_contract::queue! {
///     /// Orders that wait for their shipment.
///     Shipments = "shipments" in "SHIPMENTS_QUEUE_URL" {
///         message: String,
///         visibility_timeout_seconds: 54000,
///         max_receives: 5,
///     }
/// }
/// ```
#[macro_export]
macro_rules! queue {
    (
        $(#[$documentation:meta])*
        $queue:ident = $name:literal in $variable:literal {
            message: $message:ty,
            visibility_timeout_seconds: $visibility:expr,
            max_receives: $receives:literal $(,)?
        }
    ) => {
        $(#[$documentation])*
        #[derive(Debug)]
        pub struct $queue;

        impl $crate::queues::Queue for $queue {
            type Message = $message;
            const SPEC: &'static $crate::queues::QueueSpec = &$crate::queues::QueueSpec {
                name: $name,
                variable: $variable,
                visibility_timeout_seconds: $visibility,
                max_receives: $receives,
            };
        }

        impl $crate::environment::Resource for $queue {
            const VARIABLE: &'static str = $variable;
        }

        const _: () = $crate::queues::check(<$queue as $crate::queues::Queue>::SPEC);
    };
}

/// Rejects a queue that SQS does not accept.
#[doc(hidden)]
#[track_caller]
pub const fn check(queue: &QueueSpec) {
    if queue.name.is_empty() || !is_alphanumeric_or(queue.name, b"_-") {
        const_panic(&[
            "the queue `",
            queue.name,
            "` has a name that SQS does not accept: use letters, digits, '_' and '-'",
        ]);
    }
    check_range(
        queue,
        "visibility_timeout_seconds",
        queue.visibility_timeout_seconds,
        (0, MAX_VISIBILITY_TIMEOUT_SECONDS),
    );
    check_range(queue, "max_receives", queue.max_receives, (1, MAX_RECEIVES));
}

#[track_caller]
const fn check_range(queue: &QueueSpec, field: &str, value: u32, limits: (u32, u32)) {
    if value < limits.0 || value > limits.1 {
        const_panic(&[
            "the queue `",
            queue.name,
            "` declares ",
            field,
            " of ",
            ConstString::number(value).text(),
            ", which SQS does not accept: make it ",
            ConstString::number(limits.0).text(),
            " to ",
            ConstString::number(limits.1).text(),
        ]);
    }
}

/// SQS's limit of a message's delay, in seconds.
pub const MAX_DELAY_SECONDS: i64 = 900;
