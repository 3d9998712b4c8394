//! The declarations that the functions of the order intake are compiled against as well.

use serde::{Deserialize, Serialize};
use typed_contract::{
    function,
    functions::{Function as _, FunctionSpec, StackResources, Trigger, check_resources},
    http_routes, queue,
    queues::Queue as _,
    settings, table,
    tables::Table as _,
};

table! {
    /// What customers have ordered.
    Orders = "orders" in "ORDERS_TABLE" {
        OrderKey { order_id: String },
        time_to_live: expires_at: Number,
    }
}

/// A message of the queue [`Shipments`].
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Shipment {
    /// An order to ship.
    Order {
        /// The order.
        order_id: String,
    },
    /// The nightly reminder to ship what is left.
    Reminder,
}

queue! {
    /// Orders that wait for their shipment.
    Shipments = "shipments" in "SHIPMENTS_QUEUE_URL" {
        message: Shipment,
        visibility_timeout_seconds: 60,
        max_receives: 3,
    }
}

settings! {
    /// The carrier of all parcels.
    Carrier = "CARRIER",
}

http_routes! {
    /// A route of the HTTP API.
    pub enum HttpRoute {
        /// Places an order.
        PlaceOrder = Post "/v1/orders",
    }
}

function! {
    /// Takes orders.
    IntakeFunction = "intake" {
        memory_mib: 256,
        timeout_seconds: 10,
        retry_budget_seconds: 0,
        triggers: [Trigger::HttpRoutes],
        grants: {
            Orders: [PutItem],
            Shipments: [SendMessage],
        },
        settings: [],
    }
}

function! {
    /// Ships orders.
    ShippingFunction = "shipping" {
        memory_mib: 256,
        timeout_seconds: 10,
        retry_budget_seconds: 0,
        triggers: [Trigger::Queue { queue: Shipments::SPEC, batch_size: 5 }],
        grants: {
            Orders: [UpdateItem],
        },
        settings: [Carrier],
    }
}

/// All functions.
pub const FUNCTIONS: &[&FunctionSpec] = &[IntakeFunction::SPEC, ShippingFunction::SPEC];

const _: () = check_resources(
    FUNCTIONS,
    &[StackResources {
        tables: &[Orders::SPEC],
        queues: &[Shipments::SPEC],
        buckets: &[],
    }],
);
