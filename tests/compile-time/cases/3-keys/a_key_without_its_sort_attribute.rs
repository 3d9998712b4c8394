//! The key of an event is its job and its `seq`.

use stagecast_contract::tables::JobEventKey;

fn last() -> JobEventKey<'static> {
    JobEventKey {
        job_id: "job_20240115_abc123",
    }
}

fn main() {
    last();
}
