//! The key of an event includes its `seq`.

use stagecast_contract::tables::{JobEventKey, JobEvents};
use typed_contract::tables::Record;

struct Note {
    job_id: String,
    text: String,
}

impl Record for Note {
    type Table = JobEvents;

    fn key(&self) -> JobEventKey<'_> {
        JobEventKey {
            job_id: &self.job_id,
        }
    }
}

fn main() {
    let note = Note {
        job_id: "job_20240115_abc123".to_owned(),
        text: String::new(),
    };
    assert!(note.text.is_empty());
}
