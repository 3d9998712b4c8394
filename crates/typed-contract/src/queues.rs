//! SQS queues and the types of their messages.

use serde::{Deserialize, Serialize};

use crate::environment::Resource;

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
    /// here, `max_receives` leaves room for such receives instead.
    pub visibility_timeout_seconds: u32,
    /// Number of receives after which SQS moves a message to the dead-letter queue.
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
    };
}

/// SQS's limit of a message's delay, in seconds.
pub const MAX_DELAY_SECONDS: i64 = 900;
