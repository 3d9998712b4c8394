//! A transaction needs the grants of its parts.

use contract::{functions::DeliveryFunction, tables::JobKey};
use handlers_core::aws::Database;

fn count(database: &Database<DeliveryFunction>) {
    let job = JobKey {
        job_id: "job_20240115_abc123",
    };
    let _ = database
        .transaction()
        .update(&job, |update| update.update_expression("ADD seq :one"));
}

fn main() {}
