//! An item type must name its table and key.

use stagecast_contract::functions::JobsFunction;
use granted_aws::Database;
// Its records are the examples in the message, as in every function.
use stagecast_core as _;

struct Note;

fn write(database: &Database<JobsFunction>) {
    database.put_item::<Note>();
}

fn main() {}
