//! DynamoDB would reject the table.

typed_contract::table! {
    /// What customers have ordered.
    Orders = "orders" in "ORDERS_TABLE" {
        OrderKey { order_id: String, ordered_at: Number },
        time_to_live: expires_at: Number,
        indexes: {
            /// The orders of a customer.
            OrdersOfCustomer = "by_customer" { customer_id: String, ordered_at: String },
        },
    }
}

fn main() {}
