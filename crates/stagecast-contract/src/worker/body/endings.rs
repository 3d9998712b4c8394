//! The events that end a job.

use serde::{Deserialize, Deserializer};

use super::{InvalidBody, artifacts};
use crate::{messages::JobError, reading, worker::WorkerJobComplete};

/// Parses the completion of the job at `path`.
pub(super) fn read_job_complete(path: &str, text: &str) -> Result<WorkerJobComplete, InvalidBody> {
    let complete: WorkerJobComplete = reading::object(path, text)?;
    artifacts::check(path, &complete.artifacts)?;
    Ok(complete)
}

/// For `deserialize_with`: the error of a failure, with any code and message that are strings.
pub(in crate::worker) fn job_error<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<JobError, D::Error> {
    #[derive(Deserialize)]
    struct Fields {
        #[serde(deserialize_with = "reading::text")]
        code: String,
        #[serde(deserialize_with = "reading::text")]
        message: String,
    }
    let fields = Fields::deserialize(deserializer)?;
    Ok(JobError::of_stage(&fields.code, fields.message))
}

#[cfg(test)]
mod tests {
    use super::super::events::tests::event;
    use crate::{limits::MAX_TEXT_BYTES, worker::WorkerEvent};

    #[test]
    fn failure_with_overlong_fields_is_accepted() {
        let long = "é".repeat(1_467);
        let failed = event(&format!(
            r#"{{"type":"job_failed","error":{{"code":"E 1","message":"{long}\ud83d"}},"stage":"{long}"}}"#
        ));
        let WorkerEvent::JobFailed(failure) = failed else {
            panic!("{failed:?}");
        };
        assert_eq!(failure.error.code, "E_1");
        assert!(failure.error.message.len() <= MAX_TEXT_BYTES);
        assert!(failure.error.message.ends_with("é…"));
    }
}
