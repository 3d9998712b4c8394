//! A table, a queue and a function, declared once, and their specs as a template would read them:
//! `cargo run -p typed-contract --example orders`.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use typed_contract::{
    function,
    functions::{Function as _, FunctionSpec, StackResources, Trigger, check_resources},
    grants::GrantedOn,
    queue,
    queues::{Queue as _, QueueSpec},
    settings, table,
    tables::{KeySpec, Table as _, TableSpec},
};

table! {
    /// What customers have ordered.
    Orders = "orders" in "ORDERS_TABLE" {
        OrderKey { order_id: String },
        time_to_live: expires_at: Number,
        indexes: {
            /// The orders of a customer, oldest first.
            OrdersOfCustomer = "by_customer" { customer_id: String, ordered_at: Number },
        },
    }
}

/// Asks for the shipment of an order.
#[derive(Serialize, Deserialize)]
pub struct Shipment {
    /// The order.
    pub order_id: String,
}

queue! {
    /// Orders that wait for their shipment.
    Shipments = "shipments" in "SHIPMENTS_QUEUE_URL" {
        message: Shipment,
        visibility_timeout_seconds: 60,
        max_receives: 5,
    }
}

settings! {
    /// The carrier of all parcels.
    Carrier = "CARRIER",
}

function! {
    /// Ships orders.
    ShippingFunction = "shipping" {
        memory_mib: 256,
        timeout_seconds: 30,
        retry_budget_seconds: 0,
        triggers: [Trigger::Queue { queue: Shipments::SPEC, batch_size: 10 }],
        grants: {
            Orders: [GetItem, UpdateItem],
            OrdersOfCustomer: [QueryIndex],
            Shipments: [SendMessage],
        },
        settings: [Carrier],
    }
}

const TABLES: &[&TableSpec] = &[Orders::SPEC];
const QUEUES: &[&QueueSpec] = &[Shipments::SPEC];
const FUNCTIONS: &[&FunctionSpec] = &[ShippingFunction::SPEC];

const _: () = check_resources(
    FUNCTIONS,
    &[StackResources {
        tables: TABLES,
        queues: QUEUES,
        buckets: &[],
    }],
);

/// The key's attributes, each with DynamoDB's code of its type.
fn describe_key(key: &KeySpec) -> String {
    let attributes = [Some(key.partition), key.sort];
    let attributes = attributes.into_iter().flatten();
    let attributes = attributes.map(|it| format!("{} ({})", it.name, it.kind.code()));
    attributes.collect::<Vec<_>>().join(", ")
}

fn describe_resource(resource: GrantedOn) -> String {
    match resource {
        GrantedOn::Table(table) => format!("table {}", table.name),
        GrantedOn::Index(table, index) => format!("index {index} of table {}", table.name),
        GrantedOn::Queue(queue) => format!("queue {}", queue.name),
        GrantedOn::Bucket(bucket) => format!("bucket {}", bucket.name),
        GrantedOn::Connections(method) => format!("connections ({method})"),
        GrantedOn::Secret(secret) => format!("secret {}", secret.name),
        GrantedOn::Parameter(parameter) => format!("parameter {}", parameter.name),
        GrantedOn::External(external) => external.arn.to_owned(),
    }
}

fn main() -> io::Result<()> {
    let mut output = io::stdout().lock();
    for table in TABLES {
        writeln!(output, "table {}: {}", table.name, describe_key(&table.key))?;
        for index in table.indexes {
            writeln!(
                output,
                "  index {}: {}",
                index.name,
                describe_key(&index.key)
            )?;
        }
    }
    for queue in QUEUES {
        let seconds = queue.visibility_timeout_seconds;
        writeln!(
            output,
            "queue {}: hides messages for {seconds} s",
            queue.name
        )?;
    }
    for function in FUNCTIONS {
        writeln!(
            output,
            "function {}: {}",
            function.name, function.description
        )?;
        for grant in function.grants {
            let resource = describe_resource(grant.on);
            writeln!(output, "  may {} on {resource}", grant.action)?;
        }
        for setting in function.settings {
            writeln!(output, "  gets the variable {}", setting.variable)?;
        }
    }
    Ok(())
}
