//! Times, ages and statuses as text.

use console::{Style, truncate_str};
use serde::Serialize;
use stagecast_contract::{messages::JobStatus, timestamp::Timestamp};
use stagecast_operator::summary::JobSummary;

use crate::commands::columns::aligned;

/// The widest owner, message or cause in a table.
const MAX_CELL: usize = 40;

/// The time between two times, in its largest whole unit: `42s`, `7m`, `3h`, `5d`.
pub(super) fn age(from: Timestamp, now: Timestamp) -> String {
    duration(now.epoch_seconds() - from.epoch_seconds())
}

/// A number of seconds in its largest whole unit. Less than none is 0.
pub(super) fn duration(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..=119 => format!("{seconds}s"),
        seconds @ 120..=7199 => format!("{}m", seconds / 60),
        seconds @ 7200..=172_799 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// A time, and how far away it is: `2026-01-01T00:00:00Z (7m ago)`.
pub(super) fn moment(time: Timestamp, now: Timestamp) -> String {
    let seconds = now.epoch_seconds() - time.epoch_seconds();
    if seconds < 0 {
        format!("{time} (in {})", duration(-seconds))
    } else {
        format!("{time} ({} ago)", duration(seconds))
    }
}

/// The colour of a status.
pub(super) fn status_style(status: JobStatus) -> Style {
    match status {
        JobStatus::AwaitingInput | JobStatus::Queued => Style::new().yellow(),
        JobStatus::Running => Style::new().cyan(),
        JobStatus::Completed => Style::new().green(),
        JobStatus::Failed => Style::new().red(),
        JobStatus::Cancelled => Style::new().dim(),
    }
}

/// A text that fits into a cell.
pub(super) fn cell(text: &str) -> String {
    // Control characters in a stage's message or an owner must not reach the terminal.
    let text: String = text.chars().filter(|it| !it.is_control()).collect();
    truncate_str(&text, MAX_CELL, "…").into_owned()
}

/// A line of JSON.
pub(super) fn json_line(value: &impl Serialize) -> serde_json::Result<String> {
    Ok(serde_json::to_string(value)? + "\n")
}

/// The jobs as a table, with colours if standard output is a terminal.
pub(super) fn table(jobs: &[JobSummary], now: Timestamp) -> String {
    let headings = [
        "JOB", "STATUS", "STAGE", "DONE", "AGE", "QUEUE", "OWNER", "NOTE",
    ];
    let rows = jobs.iter().map(|job| {
        let status = status_style(job.status).apply_to(job.status.name());
        [
            job.job_id.to_string(),
            status.to_string(),
            cell(job.stage.as_deref().unwrap_or("-")),
            format!("{:>3}%", job.overall_progress),
            age(job.created_at, now),
            job.queue
                .as_ref()
                .map_or_else(|| "-".to_owned(), ToString::to_string),
            cell(job.owner.as_deref().unwrap_or("-")),
            note(job),
        ]
    });
    aligned([headings.map(str::to_owned)].into_iter().chain(rows))
}

/// What is special about a job: its error, or that it is to be cancelled.
fn note(job: &JobSummary) -> String {
    match &job.error {
        Some(error) => cell(&format!("{}: {}", error.code, error.message)),
        None if job.cancel_requested && !job.status.has_ended() => "cancel requested".to_owned(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::jobs::examples;

    #[test]
    fn durations_have_one_unit() {
        let texts = [-5, 0, 119, 120, 7199, 7200, 172_799, 172_800].map(duration);
        assert_eq!(texts, ["0s", "0s", "119s", "2m", "119m", "2h", "47h", "2d"]);
        let now = Timestamp::from_epoch_seconds(1_800_000_000);
        assert_eq!(
            moment(now.plus_seconds(90), now),
            "2027-01-15T08:01:30Z (in 90s)"
        );
        assert_eq!(
            moment(now.plus_seconds(-90), now),
            "2027-01-15T07:58:30Z (90s ago)"
        );
    }

    #[test]
    fn table_has_a_line_for_each_job_with_its_error() {
        console::set_colors_enabled(false);
        let mut running = examples::running();
        running.cancel_requested = true;
        let table = table(&[running, examples::failed()], examples::NOW);
        assert_eq!(
            table,
            "JOB                            STATUS   STAGE       DONE  AGE  QUEUE  OWNER   NOTE\n\
             job_20270115_0101010101010101  running  transcribe   20%  10m  plans  user-7  cancel requested\n\
             job_20270115_0202020202020202  failed   -             0%  2h   -      -       queue_timeout: no run claimed the job\n"
        );
    }

    #[test]
    fn cell_has_no_control_characters_and_a_limited_width() {
        assert_eq!(cell("a\u{1b}[31mb\n"), "a[31mb");
        assert_eq!(cell(&"x".repeat(100)).chars().count(), MAX_CELL);
    }
}
