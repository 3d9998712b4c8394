//! An index belongs to one table.

use stagecast_contract::tables::Jobs;
use typed_contract::functions::Trigger;
use granted_aws::Database;

typed_contract::table! {
    /// What customers have ordered.
    Orders = "orders" in "ORDERS_TABLE" {
        OrderKey { order_id: String },
        time_to_live: expires_at: Number,
        indexes: {
            /// The orders of a customer.
            OrdersOfCustomer = "by_customer" { customer_id: String, ordered_at: Number },
        },
    }
}

typed_contract::function! {
    /// Notifies accounting.
    BillingFunction = "billing" {
        memory_mib: 512,
        timeout_seconds: 10,
        retry_budget_seconds: 0,
        triggers: [Trigger::HttpRoutes],
        grants: {
            Jobs: [Query],
            Orders: [Query],
            OrdersOfCustomer: [QueryIndex],
        },
        settings: [],
    }
}

fn look(database: &Database<BillingFunction>) {
    database.query_index::<Orders, OrdersOfCustomer>();
    database.query_index::<Jobs, OrdersOfCustomer>();
}

fn main() {}
