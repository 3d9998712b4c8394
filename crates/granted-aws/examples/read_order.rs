//! A function that may read a table, and nothing else:
//! `ORDERS_TABLE=orders cargo run -p granted-aws --example read_order -- o-1`.
//!
//! Region, credentials and, for an emulator, `AWS_ENDPOINT_URL` come from the environment.

use std::{
    env,
    error::Error,
    io::{self, Write},
};

use granted_aws::{Database, Environment};
use typed_contract::{function, functions::Trigger, table};

table! {
    /// What customers have ordered.
    Orders = "orders" in "ORDERS_TABLE" {
        OrderKey { order_id: String },
        time_to_live: expires_at: Number,
    }
}

function! {
    /// Returns orders.
    OrdersFunction = "orders" {
        memory_mib: 256,
        timeout_seconds: 10,
        retry_budget_seconds: 0,
        triggers: [Trigger::HttpRoutes],
        grants: {
            Orders: [GetItem],
        },
        settings: [],
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let order_id = env::args().nth(1).ok_or("help: give the id of an order")?;
    let environment = Environment::<OrdersFunction>::load()?;
    let aws = granted_aws::load().await;
    aws.warm(&environment).await;

    let database = Database::new(&aws, &environment);
    let key = OrderKey {
        order_id: &order_id,
    };
    // `database.delete_item(&key)` would not compile: the function is not granted `DeleteItem`.
    let order = database.get_item(&key).send().await?;
    let mut output = io::stdout().lock();
    match order.item {
        Some(item) => {
            for (name, value) in item {
                writeln!(output, "{name}: {value:?}")?;
            }
        }
        None => writeln!(output, "there is no order {order_id}")?,
    }
    Ok(())
}
