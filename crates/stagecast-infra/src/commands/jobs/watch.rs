//! `infra-gen jobs watch`.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use clap::{ArgGroup, Args};
use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use stagecast_contract::{ids::JobId, messages::JobStatus};
use stagecast_operator::{Operator, list::JobFilter, summary::JobSummary};
use tokio::time::Instant;

use super::{
    context::{JobsContext, declared_queue, job_id},
    render::{cell, duration, json_line, status_style},
};
use crate::{
    commands::{
        outcome::CommandOutcome,
        runtime::{block_on, unless_interrupted},
        stack_options::StackOptions,
    },
    project::Project,
};

/// The exit code when a watched job has failed.
const FAILED: u8 = 3;
/// The exit code when a watched job was cancelled, and none has failed.
const CANCELLED: u8 = 4;
/// The exit code that a shell reports for a program that Ctrl-C ended.
const INTERRUPTED: u8 = 128 + 2;

/// The time between two searches for further jobs of a queue or an owner.
const SEARCH_INTERVAL: Duration = Duration::from_secs(10);
/// The most jobs of a queue or an owner that are watched at the same time.
const MAX_JOBS: usize = 50;
/// The most items that the search for the running jobs of a queue reads, once.
const MAX_READ_ITEMS: usize = 10_000;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).multiple(false))]
pub(super) struct Arguments {
    #[command(flatten)]
    stack: StackOptions,
    /// The ids of the jobs. The command ends when all of them have ended.
    #[arg(value_name = "ID", value_parser = job_id, group = "what")]
    ids: Vec<JobId>,
    /// The jobs that wait in this queue of external workers and those that run, until Ctrl-C.
    #[arg(long, value_name = "QUEUE", group = "what")]
    queue: Option<String>,
    /// The jobs of this owner that have not ended, until Ctrl-C.
    #[arg(long, value_name = "OWNER", group = "what")]
    owner: Option<String>,
    /// Seconds between two reads of each job.
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=3600))]
    interval: u32,
    /// Print each change as a line of JSON, also on a terminal.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(project: Project, arguments: &Arguments) -> anyhow::Result<CommandOutcome> {
    let queue = arguments.queue.as_deref();
    let queue = queue
        .map(|name| declared_queue(project, name))
        .transpose()?;
    let has_ids = !arguments.ids.is_empty();
    block_on(async {
        let context = JobsContext::open(project, &arguments.stack).await?;
        let interval = Duration::from_secs(arguments.interval.into());
        let mut view = View::new(arguments.json);
        let watched = async {
            if has_ids {
                return watch_ids(&context.operator, &arguments.ids, interval, &mut view).await;
            }
            let filter = JobFilter {
                queue,
                owner: arguments.owner.clone(),
                ..JobFilter::default()
            };
            watch_list(&context.operator, &filter, interval, &mut view).await
        };
        let watched = unless_interrupted(watched).await;
        view.finish();
        match watched {
            Some(outcome) => outcome,
            None if has_ids => Ok(CommandOutcome::Exit(INTERRUPTED)),
            None => Ok(CommandOutcome::Done),
        }
    })
}

/// Follows jobs until all of them have ended.
async fn watch_ids(
    operator: &Operator,
    ids: &[JobId],
    interval: Duration,
    view: &mut View,
) -> anyhow::Result<CommandOutcome> {
    let mut open: Vec<JobId> = Vec::new();
    for id in ids {
        // A wrong id is an error at once.
        operator.load(id).await?;
        if !open.contains(id) {
            open.push(id.clone());
        }
    }
    let mut statuses = Vec::new();
    while !open.is_empty() {
        let jobs = operator.load_all(open.iter().cloned()).await?;
        // A job that has expired meanwhile is not watched any more.
        open.clear();
        for job in jobs {
            view.show(&JobSummary::of(&job))?;
            if job.status.has_ended() {
                statuses.push(job.status);
            } else {
                open.push(job.job_id);
            }
        }
        if !open.is_empty() {
            tokio::time::sleep(interval).await;
        }
    }
    Ok(outcome(&statuses))
}

/// The exit code of jobs that have ended.
fn outcome(statuses: &[JobStatus]) -> CommandOutcome {
    if statuses.contains(&JobStatus::Failed) {
        CommandOutcome::Exit(FAILED)
    } else if statuses.contains(&JobStatus::Cancelled) {
        CommandOutcome::Exit(CANCELLED)
    } else {
        CommandOutcome::Done
    }
}

/// Follows the jobs of a queue or an owner, until it is dropped.
async fn watch_list(
    operator: &Operator,
    filter: &JobFilter,
    interval: Duration,
    view: &mut View,
) -> anyhow::Result<CommandOutcome> {
    let mut open: Vec<JobId> = Vec::new();
    if filter.queue.is_some() {
        // Running jobs are not in the queue's index.
        let running = JobFilter {
            statuses: vec![JobStatus::Running],
            ..filter.clone()
        };
        let list = operator.list(&running, MAX_JOBS, MAX_READ_ITEMS).await?;
        open.extend(list.jobs.into_iter().map(|job| job.job_id));
    }
    let search = JobFilter {
        statuses: match filter.queue {
            Some(_) => Vec::new(),
            None => vec![
                JobStatus::AwaitingInput,
                JobStatus::Queued,
                JobStatus::Running,
            ],
        },
        ..filter.clone()
    };
    let mut next_search = Instant::now();
    loop {
        if next_search <= Instant::now() {
            next_search = Instant::now() + SEARCH_INTERVAL;
            let found = operator.list(&search, MAX_JOBS, MAX_READ_ITEMS).await?;
            for job in found.jobs {
                if open.len() < MAX_JOBS && !open.contains(&job.job_id) {
                    open.push(job.job_id);
                }
            }
        }
        let jobs = operator.load_all(open.drain(..)).await?;
        for job in jobs {
            view.show(&JobSummary::of(&job))?;
            if !job.status.has_ended() {
                open.push(job.job_id);
            }
        }
        view.idle(open.is_empty());
        tokio::time::sleep(interval).await;
    }
}

/// Where changes are shown.
#[derive(Debug)]
enum View {
    /// Progress bars on a terminal.
    Bars {
        all: MultiProgress,
        bars: BTreeMap<JobId, ProgressBar>,
        idle: Option<ProgressBar>,
    },
    /// Lines of JSON, each after a change.
    Lines(BTreeMap<JobId, JobSummary>),
}

impl View {
    fn new(json: bool) -> Self {
        let is_terminal = io::stdout().is_terminal() && Term::stderr().features().is_attended();
        if json || !is_terminal {
            return Self::Lines(BTreeMap::new());
        }
        Self::Bars {
            all: MultiProgress::new(),
            bars: BTreeMap::new(),
            idle: None,
        }
    }

    fn show(&mut self, job: &JobSummary) -> anyhow::Result<()> {
        match self {
            Self::Lines(shown) => {
                if shown.get(&job.job_id) == Some(job) {
                    return Ok(());
                }
                let mut out = io::stdout().lock();
                out.write_all(json_line(job)?.as_bytes())?;
                out.flush()?;
                if job.status.has_ended() {
                    shown.remove(&job.job_id);
                } else {
                    shown.insert(job.job_id.clone(), job.clone());
                }
            }
            Self::Bars { all, bars, .. } => {
                let bar = bars
                    .entry(job.job_id.clone())
                    .or_insert_with(|| all.add(new_bar(&job.job_id)));
                bar.set_position(job.overall_progress.into());
                bar.set_message(line(job));
                if job.status.has_ended() {
                    // The line stays, above the bars of the jobs that have not ended.
                    bar.finish_and_clear();
                    bars.remove(&job.job_id);
                    let (id, done) = (&job.job_id, job.overall_progress);
                    all.println(format!("{id} {done:>3}% {}", line(job)))?;
                }
            }
        }
        Ok(())
    }

    /// Says that nothing is to be watched now.
    fn idle(&mut self, is_idle: bool) {
        let Self::Bars { all, idle, .. } = self else {
            return;
        };
        if !is_idle {
            if let Some(bar) = idle.take() {
                bar.finish_and_clear();
            }
        } else if idle.is_none() {
            let bar = all.add(ProgressBar::new_spinner());
            bar.set_message("waiting for jobs; Ctrl-C ends");
            bar.enable_steady_tick(Duration::from_millis(120));
            *idle = Some(bar);
        }
    }

    /// Removes the bars of the jobs that have not ended.
    fn finish(&self) {
        if let Self::Bars { all, .. } = self {
            // Standard error is closed; there is no other place to report that.
            let _ = all.clear();
        }
    }
}

fn new_bar(id: &JobId) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} {bar:14.cyan/238} {pos:>3}% {wide_msg}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(100)
        .with_style(style.progress_chars("━╸─"))
        .with_prefix(id.to_string())
}

/// What a bar says beside the percentage.
fn line(job: &JobSummary) -> String {
    let status = status_style(job.status)
        .for_stderr()
        .apply_to(job.status.name());
    let mut parts = vec![status.to_string()];
    match (&job.error, job.status) {
        (Some(error), _) => parts.push(cell(&format!("{}: {}", error.code, error.message))),
        (None, JobStatus::Running) => {
            parts.extend(job.stage.as_deref().map(cell));
            parts.push(cell(&job.message));
            if let Some(seconds) = job.estimated_seconds_remaining {
                let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
                parts.push(format!("{} left", duration(seconds)));
            }
        }
        (None, status) if !status.has_ended() => parts.push(cell(&job.message)),
        (None, _) => {}
    }
    parts.join("  ")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        watch: Arguments,
    }

    #[test]
    fn one_of_ids_queue_and_owner_is_required() {
        let parses =
            |options: &[&str]| Line::try_parse_from([&["watch"], options].concat()).is_ok();
        assert!(parses(&["job_20260101_ab", "job_20260101_cd"]));
        assert!(parses(&["--queue", "plans"]) && parses(&["--owner", "user-7"]));
        for options in [
            &[][..],
            &["--queue", "plans", "--owner", "user-7"],
            &["job_20260101_ab", "--queue", "plans"],
            &["job_20260101_ab", "--interval", "0"],
        ] {
            assert!(!parses(options), "{options:?}");
        }
    }

    #[test]
    fn exit_code_is_that_of_the_worst_end() {
        use JobStatus::{Cancelled, Completed, Failed};
        assert_eq!(outcome(&[Completed, Completed]), CommandOutcome::Done);
        assert_eq!(
            outcome(&[Completed, Cancelled]),
            CommandOutcome::Exit(CANCELLED)
        );
        assert_eq!(outcome(&[Cancelled, Failed]), CommandOutcome::Exit(FAILED));
    }
}
