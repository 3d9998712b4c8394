//! The delivery function may change and delete connections, but not read one.

use stagecast_contract::{functions::DeliveryFunction, tables::ConnectionKey};
use granted_aws::Database;

fn read(database: &Database<DeliveryFunction>) {
    let key = ConnectionKey {
        connection_id: "BFHPhfCWIAMCKlQ=",
        job_id: "-",
    };
    database.get_item(&key);
}

fn main() {}
