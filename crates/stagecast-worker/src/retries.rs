//! The times of next attempts that workers report.

use stagecast_contract::{
    limits::MAX_RETRY_DELAY_SECONDS,
    timestamp::Timestamp,
    worker::{InvalidBody, WorkerEvent},
};

/// Refuses a `retry_at` that is too far ahead. A time that has passed is accepted: the post may be late.
pub(crate) fn check(events: &[WorkerEvent], now: Timestamp) -> Result<(), InvalidBody> {
    for (index, event) in events.iter().enumerate() {
        let WorkerEvent::ProgressUpdate(update) = event else {
            continue;
        };
        if let Some(retry_at) = update.retry_at
            && retry_at > now.plus_seconds(MAX_RETRY_DELAY_SECONDS)
        {
            let problem = format!(
                "{retry_at} is more than {MAX_RETRY_DELAY_SECONDS} seconds ahead; send a time within them"
            );
            return Err(InvalidBody::field(
                format!("events[{index}].retry_at"),
                problem,
            ));
        }
    }
    Ok(())
}
