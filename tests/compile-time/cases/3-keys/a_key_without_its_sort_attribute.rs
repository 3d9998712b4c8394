//! An event is found by its job and its `seq`.

use contract::{functions::WebSocketFunction, tables::JobEventKey};
use handlers_core::aws::Database;

fn look(database: &Database<WebSocketFunction>) {
    database.update_item(&JobEventKey {
        job_id: "job_20240115_abc123",
    });
}

fn main() {}
