//! A transaction needs the grants of its parts.

use stagecast_contract::{functions::JobsFunction, tables::SubscriberKey};
use granted_aws::Database;

fn count(database: &Database<JobsFunction>) {
    let subscriber = SubscriberKey {
        job_id: "job_20240115_abc123",
        connection_id: "BFHPhfCWIAMCKlQ=",
    };
    let _ = database
        .transaction()
        .update(&subscriber, |update| update.update_expression("ADD seq :one"));
}

fn main() {}
