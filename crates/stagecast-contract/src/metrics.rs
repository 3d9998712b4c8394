//! The names of metrics that functions write and alarms watch.

/// The CloudWatch namespace of every metric of the functions.
pub const NAMESPACE: &str = "Stagecast";

/// The dimension of every metric: the name of the function that wrote it.
pub const FUNCTION_DIMENSION: &str = "function";

/// The number of deliveries to one connection that failed at their last attempt.
pub const DELIVERIES_GIVEN_UP: &str = "DeliveriesGivenUp";
