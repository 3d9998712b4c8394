//! The jobs function may write jobs, but not connections.

use stagecast_contract::{functions::JobsFunction, tables::{ConnectionKey, Connections}};
use typed_contract::tables::Record;
use granted_aws::Database;

struct Visit {
    connection_id: String,
}

impl Record for Visit {
    type Table = Connections;

    fn key(&self) -> ConnectionKey<'_> {
        ConnectionKey {
            connection_id: &self.connection_id,
            job_id: "-",
        }
    }
}

fn write(database: &Database<JobsFunction>) {
    database.put_item::<Visit>();
}

fn main() {}
