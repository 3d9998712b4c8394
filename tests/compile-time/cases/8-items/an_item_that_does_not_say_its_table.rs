//! An item type must name its table and key.

use contract::functions::JobsFunction;
use granted_aws::Database;

struct Note;

fn write(database: &Database<JobsFunction>) {
    database.put_item::<Note>();
}

fn main() {}
