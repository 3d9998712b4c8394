//! `progress_update`.

use super::InvalidBody;
use crate::{
    limits::{MAX_TEXT_BYTES, MAX_UNIT_BYTES, truncate_with_ellipsis},
    reading,
    worker::WorkerProgress,
};

/// Parses the progress update at `path`.
pub(super) fn read(path: &str, text: &str) -> Result<WorkerProgress, InvalidBody> {
    let mut update: WorkerProgress = reading::object(path, text)?;
    check_work(path, &update)?;
    check_attempts(path, &update)?;
    update.message = truncate_with_ellipsis(update.message, MAX_TEXT_BYTES);
    let unit = update.unit.take();
    update.unit = unit.map(|unit| truncate_with_ellipsis(unit, MAX_UNIT_BYTES));
    Ok(update)
}

/// Checks that the amounts of an update at `path` do not contradict each other.
fn check_work(path: &str, update: &WorkerProgress) -> Result<(), InvalidBody> {
    let Some(total) = update.total else {
        return Ok(());
    };
    let Some(completed) = update.completed else {
        let problem = format!("is missing, but `total` is {total}; send both, or no `total`");
        return Err(InvalidBody::field(format!("{path}.completed"), problem));
    };
    if completed > total {
        let problem = format!(
            "{completed} is more than `total`, which is {total}; send a `total` of at least {completed}, \
             or none if it is unknown"
        );
        return Err(InvalidBody::field(format!("{path}.completed"), problem));
    }
    if update.indeterminate {
        let problem = format!("true contradicts `total`, which is {total}; leave one of them out");
        return Err(InvalidBody::field(format!("{path}.indeterminate"), problem));
    }
    Ok(())
}

/// Checks that the numbers of attempts of an update at `path` do not contradict each other.
fn check_attempts(path: &str, update: &WorkerProgress) -> Result<(), InvalidBody> {
    for (name, number) in [
        ("attempt", update.attempt),
        ("max_attempts", update.max_attempts),
    ] {
        if number == Some(0) {
            let problem = "0 is no number of an attempt; the first attempt has the number 1";
            return Err(InvalidBody::field(format!("{path}.{name}"), problem));
        }
    }
    if let (Some(attempt), Some(max)) = (update.attempt, update.max_attempts)
        && attempt > max
    {
        let problem = format!(
            "{attempt} is more than `max_attempts`, which is {max}; post job_failed after the last attempt"
        );
        return Err(InvalidBody::field(format!("{path}.attempt"), problem));
    }
    if update.retry_at.is_some() && update.attempt.is_none() {
        let problem = "is missing, but there is a `retry_at`; send the number of the attempt that starts then";
        return Err(InvalidBody::field(format!("{path}.attempt"), problem));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{
        super::events::tests::{event, parse_error, with_event},
        *,
    };
    use crate::{limits::MAX_WORKER_ATTEMPTS, worker::WorkerEvent};

    #[test]
    fn amount_of_work_is_read_and_its_overlong_unit_is_cut() {
        let update = event(&format!(
            r#"{{"type":"progress_update","stage":"a","progress":1,"message":"","completed":1,"total":100,"unit":"{}"}}"#,
            "x".repeat(MAX_UNIT_BYTES + 1)
        ));
        let WorkerEvent::ProgressUpdate(update) = update else {
            panic!("{update:?}");
        };
        let work = update.work();
        assert_eq!((work.completed, work.total), (Some(1), Some(100)));
        assert_eq!(work.unit.map(|unit| unit.len()), Some(MAX_UNIT_BYTES));
    }

    #[test]
    fn overlong_progress_message_is_cut() {
        let update = event(&format!(
            r#"{{"type":"progress_update","stage":"a","progress":1,"message":"{}"}}"#,
            "x".repeat(MAX_TEXT_BYTES + 1)
        ));
        let WorkerEvent::ProgressUpdate(update) = update else {
            panic!("{update:?}");
        };
        assert_eq!(update.message.len(), MAX_TEXT_BYTES);
    }

    #[test]
    fn attempts_are_read_and_contradictions_are_named() {
        let update = |fields: &str| {
            format!(
                r#"{{"type":"progress_update","stage":"a","progress":1,"message":"",{fields}}}"#
            )
        };
        let read = event(&update(
            r#""attempt":2,"max_attempts":5,"retry_at":"2024-01-15T10:30:15Z""#,
        ));
        let WorkerEvent::ProgressUpdate(read) = read else {
            panic!("{read:?}");
        };
        assert_eq!((read.attempt, read.max_attempts), (Some(2), Some(5)));
        assert!(read.retry_at.is_some());
        let too_many = format!(r#""attempt":{}"#, MAX_WORKER_ATTEMPTS + 1);
        for (fields, field) in [
            (r#""attempt":0"#, "attempt"),
            (r#""max_attempts":0"#, "max_attempts"),
            (r#""attempt":6,"max_attempts":5"#, "attempt"),
            (r#""retry_at":"2024-01-15T10:30:15Z""#, "attempt"),
            (r#""attempt":2,"retry_at":"soon""#, "retry_at"),
            (too_many.as_str(), "attempt"),
        ] {
            let error = parse_error(&with_event(&update(fields)));
            assert_eq!(
                error.details["field"],
                format!("events[0].{field}"),
                "{fields}"
            );
        }
    }
}
