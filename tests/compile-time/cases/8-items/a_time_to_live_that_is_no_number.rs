//! DynamoDB would accept the attribute, but never delete an item.

typed_contract::table! {
    /// What customers have ordered.
    Orders = "orders" in "ORDERS_TABLE" {
        OrderKey { order_id: String },
        time_to_live: expires_at: String,
    }
}

fn main() {}
