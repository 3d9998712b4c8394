//! The key of a job is its `job_id`.

use stagecast_contract::{functions::JobsFunction, tables::JobKey};
use granted_aws::Database;

fn look(database: &Database<JobsFunction>) {
    database.get_item(&JobKey {
        request_id: "req_1705314615_5f2a",
    });
}

fn main() {}
