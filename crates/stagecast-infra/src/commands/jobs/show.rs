//! `infra-gen jobs show`.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
};

use clap::Args;
use console::Style;
use stagecast_contract::{ids::JobId, timestamp::Timestamp};
use stagecast_operator::details::{Holder, JobDetails, LatestClaim, MAX_SUBSCRIBERS};

use super::{
    context::{JobsContext, job_id},
    render::{age, cell, duration, moment, status_style},
};
use crate::{
    commands::{
        columns::aligned, outcome::CommandOutcome, runtime::block_on, stack_options::StackOptions,
    },
    project::Project,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    stack: StackOptions,
    /// The id of the job.
    #[arg(value_name = "ID", value_parser = job_id)]
    id: JobId,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(project: Project, arguments: &Arguments) -> anyhow::Result<CommandOutcome> {
    let (details, now, options) = block_on(async {
        let context = JobsContext::open(project, &arguments.stack).await?;
        let details = context.operator.details(&arguments.id).await?;
        Ok((details, context.operator.clock().now(), context.options))
    })?;
    let text = if arguments.json {
        serde_json::to_string_pretty(&details)? + "\n"
    } else {
        text(&details, now, &options)
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(CommandOutcome::Done)
}

/// The job as lines of names and values, then its artifacts and its log.
fn text(job: &JobDetails, now: Timestamp, options: &str) -> String {
    let facts = state(job, now)
        .into_iter()
        .chain(times(job, now))
        .chain(origin(job));
    let dim = Style::new().dim();
    let rows = facts.map(|(name, value)| [dim.apply_to(name).to_string(), value]);
    let mut text = format!("{}\n", Style::new().bold().apply_to(&job.summary.job_id));
    for line in aligned(rows).lines() {
        let _ = writeln!(text, "  {line}");
    }
    text.push_str(&artifacts(job));
    text.push_str(&log(job, now));
    let id = &job.summary.job_id;
    let _ = write!(
        text,
        "\nIts log records: `infra-gen logs --job {id}{options}`\nThose of its whole trail, with the requests of its clients: \
         `infra-gen logs --correlation-id {}{options}`\n",
        job.summary.correlation_id
    );
    text
}

type Fact = (&'static str, String);

/// What the job does, and what holds it.
fn state(job: &JobDetails, now: Timestamp) -> Vec<Fact> {
    let summary = &job.summary;
    let mut facts = Vec::new();
    let mut status = status_style(summary.status)
        .apply_to(summary.status.name())
        .to_string();
    if summary.status != job.stored_status {
        status.push_str(", between two runs: its message is in the queue");
    }
    if summary.cancel_requested && !summary.status.has_ended() {
        status.push_str(", its cancellation is requested");
    }
    facts.push(("status", status));
    if let Some(error) = &summary.error {
        facts.push(("error", format!("{}: {}", error.code, error.message)));
    }
    let stage = summary.stage.as_deref().unwrap_or("none yet");
    let attempt = summary.attempt.map_or_else(String::new, |attempt| {
        let most = job.attempts.max_at_stage;
        let most = most.map_or_else(String::new, |most| format!(" of {most}"));
        format!(", attempt {attempt}{most}")
    });
    facts.push((
        "progress",
        format!(
            "{}%; stage {stage} {}%{attempt}",
            summary.overall_progress, summary.progress
        ),
    ));
    facts.push(("message", cell(&summary.message)));
    let remaining = summary.estimated_seconds_remaining;
    if let Some(seconds) = remaining.filter(|_| !summary.status.has_ended()) {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        facts.push(("remaining", format!("about {}", duration(seconds))));
    }
    if let Some(retry_at) = job.attempts.retry_at {
        facts.push(("next attempt", moment(retry_at, now)));
    }
    facts.push(("holder", holder(job.claim.as_ref(), now)));
    if job.attempts.without_progress > 0 {
        let claims = job.attempts.without_progress;
        facts.push(("claims", format!("{claims} since the last stored progress")));
    }
    if !job.attempts.lost_leases.is_empty() {
        let epochs: Vec<_> = job
            .attempts
            .lost_leases
            .iter()
            .map(u64::to_string)
            .collect();
        let epochs = epochs.join(", ");
        facts.push((
            "lost leases",
            format!("of claim {epochs}, whose run was alive"),
        ));
    }
    if let Some(checkpoint) = &job.checkpoint {
        let place = checkpoint.object.as_deref().unwrap_or("in the table");
        facts.push((
            "checkpoint",
            format!(
                "{} {}%, by claim {}, state {place}",
                checkpoint.stage, checkpoint.percent, checkpoint.epoch
            ),
        ));
    }
    let subscribers = match job.subscribers {
        MAX_SUBSCRIBERS => format!("{MAX_SUBSCRIBERS} or more"),
        subscribers => subscribers.to_string(),
    };
    facts.push(("subscribers", subscribers));
    facts
}

fn holder(claim: Option<&LatestClaim>, now: Timestamp) -> String {
    let Some(claim) = claim else {
        return "none: not claimed yet".to_owned();
    };
    let who = match &claim.holder {
        Holder::Pipeline => "the pipeline".to_owned(),
        Holder::ExternalWorker(None) => "an external worker".to_owned(),
        Holder::ExternalWorker(Some(name)) => format!("the external worker {}", cell(name)),
    };
    let epoch = claim.epoch;
    if claim.is_held {
        let left = claim.lease_expires_at.epoch_seconds() - now.epoch_seconds();
        return format!("{who}, claim {epoch}, lease for {}", duration(left));
    }
    format!("none; the last claim was {epoch}, of {who}")
}

fn times(job: &JobDetails, now: Timestamp) -> Vec<Fact> {
    let times = &job.times;
    let mut facts = vec![("created", moment(times.created_at, now))];
    facts.extend(times.run_at.map(|it| ("may start", moment(it, now))));
    facts.extend(times.started_at.map(|it| ("first claim", moment(it, now))));
    let has_ended = job.summary.status.has_ended();
    let changed = if has_ended { "ended" } else { "changed" };
    facts.push((changed, moment(times.updated_at, now)));
    if has_ended && let Some(started) = times.started_at {
        facts.push(("ran for", age(started, times.updated_at)));
    }
    let limits = &job.limits;
    let limit = |name: &str, seconds: Option<u64>| {
        let seconds = i64::try_from(seconds?).unwrap_or(i64::MAX);
        Some(format!("{name} {}", duration(seconds)))
    };
    let named = [
        limit("in the queue", limits.queue_seconds),
        limit("to run", limits.run_seconds),
        limits
            .ends_at
            .map(|it| format!("over at {}", moment(it, now))),
    ];
    let named: Vec<_> = named.into_iter().flatten().collect();
    if !named.is_empty() {
        facts.push(("limits", named.join(", ")));
    }
    facts.push(("deleted", moment(times.expires_at, now)));
    facts
}

/// Where the job comes from.
fn origin(job: &JobDetails) -> Vec<Fact> {
    let summary = &job.summary;
    let mut facts = Vec::new();
    if let Some(queue) = &summary.queue {
        let priority = summary.priority;
        let priority = priority.map_or_else(String::new, |it| format!(", priority {it}"));
        facts.push(("queue", format!("{queue}{priority}")));
    }
    facts.extend(summary.owner.as_deref().map(|owner| ("owner", cell(owner))));
    if !summary.labels.is_empty() {
        let labels = summary.labels.iter();
        let labels = labels.map(|(name, value)| format!("{name}={value}"));
        facts.push(("labels", cell(&labels.collect::<Vec<_>>().join(" "))));
    }
    let input = &job.input;
    let parameters = if input.has_parameters {
        ", with parameters"
    } else {
        ""
    };
    let upload = match (&input.upload_failure, input.upload_expires_at) {
        (Some(failure), _) => format!(", its upload has failed: {}", failure.code),
        (None, Some(expires_at)) => format!(", not uploaded yet, until {expires_at}"),
        (None, None) => String::new(),
    };
    facts.push((
        "input",
        format!("{}{parameters}{upload}", input.content_type),
    ));
    facts.extend(job.retry_of.as_ref().map(|id| ("retry of", id.to_string())));
    facts.extend(
        job.retried_as
            .as_ref()
            .map(|id| ("retried as", id.to_string())),
    );
    facts.push(("request", job.request_id.to_string()));
    facts.push(("correlation", cell(&summary.correlation_id)));
    facts
}

fn artifacts(job: &JobDetails) -> String {
    if job.artifacts.is_empty() {
        return String::new();
    }
    let rows = job.artifacts.iter().map(|it| {
        let bytes = format!("{} bytes", it.size);
        [cell(&it.name), cell(&it.content_type), bytes]
    });
    let rows = aligned(rows);
    let lines = rows.lines().map(|line| format!("  {line}\n"));
    format!("\nArtifacts\n{}", lines.collect::<String>())
}

fn log(job: &JobDetails, now: Timestamp) -> String {
    if job.log.is_empty() {
        return "\nLog: no durable message yet\n".to_owned();
    }
    let rows = job.log.iter().map(|entry| {
        let time = entry.timestamp.map(|time| moment(time, now));
        let note = if entry.is_committed {
            ""
        } else {
            "not committed"
        };
        [
            entry.seq.to_string(),
            entry.kind.clone(),
            cell(entry.stage.as_deref().unwrap_or("-")),
            time.unwrap_or_default(),
            format!("claim {}", entry.epoch),
            note.to_owned(),
        ]
    });
    let rows = aligned(rows);
    let lines = rows.lines().map(|line| format!("  {line}\n"));
    format!("\nLog\n{}", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use stagecast_contract::messages::JobStatus;

    use super::*;
    use crate::commands::jobs::examples::{self, NOW};

    #[test]
    fn running_job_is_shown_with_its_holder_its_attempts_and_its_log() {
        console::set_colors_enabled(false);
        let text = text(&examples::details(), NOW, " --environment prod");
        let expected = "\
job_20270115_0101010101010101
  status       running
  progress     20%; stage transcribe 40%, attempt 2 of 3
  message      Minute 4 of 10...
  remaining    about 5m
  holder       the external worker gpu-1, claim 3, lease for 25s
  claims       1 since the last stored progress
  lost leases  of claim 2, whose run was alive
  checkpoint   transcribe 35%, by claim 3, state in the table
  subscribers  2
  created      2027-01-15T07:50:00Z (10m ago)
  first claim  2027-01-15T07:50:10Z (9m ago)
  changed      2027-01-15T07:59:59Z (1s ago)
  limits       to run 60m, over at 2027-01-15T08:50:10Z (in 50m)
  deleted      2027-01-22T06:40:00Z (in 6d)
  queue        plans, priority 7
  owner        user-7
  labels       team=maps
  input        audio/mpeg, with parameters
  retry of     job_20270115_0202020202020202
  request      req_1800000000_02
  correlation  req_1800000000_02

Artifacts
  parts.zip  application/zip  1234 bytes

Log
  1  stage_complete  split       2027-01-15T07:51:40Z (8m ago)  claim 1
  2  job_failed      transcribe  2027-01-15T07:59:59Z (1s ago)  claim 3  not committed

Its log records: `infra-gen logs --job job_20270115_0101010101010101 --environment prod`
Those of its whole trail, with the requests of its clients: `infra-gen logs --correlation-id req_1800000000_02 --environment prod`
";
        assert_eq!(text, expected);
    }

    #[test]
    fn job_that_has_ended_has_an_end_and_an_error() {
        console::set_colors_enabled(false);
        let mut job = examples::details();
        job.summary = examples::failed();
        job.stored_status = JobStatus::Failed;
        if let Some(claim) = &mut job.claim {
            claim.is_held = false;
        }
        let text = text(&job, NOW, "");
        for part in [
            "  error        queue_timeout: no run claimed the job\n",
            "  holder       none; the last claim was 3, of the external worker gpu-1\n",
            "  ended        2027-01-15T07:59:59Z (1s ago)\n",
            "  ran for      9m\n",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
