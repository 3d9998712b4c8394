//! `infra-gen jobs redrive`.

use std::io::{self, Write as _};

use anyhow::bail;
use clap::Args;
use stagecast_operator::{
    dead_letters::{DeadLetter, DeadLetters},
    resources::QueueNames,
};

use super::{
    context::JobsContext,
    list::limit,
    render::{self, age, cell, status_style},
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
    /// Only the dead letters of this queue, such as jobs or deliveries; may be repeated. Default: all queues.
    #[arg(long = "queue", value_name = "QUEUE")]
    queues: Vec<String>,
    /// List the dead letters, and leave them where they are.
    #[arg(long)]
    dry_run: bool,
    /// Most dead letters of each queue that are listed. All are moved.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = limit)]
    limit: usize,
    /// Print each dead letter as a line of JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(project: Project, arguments: &Arguments) -> anyhow::Result<CommandOutcome> {
    block_on(async {
        let context = JobsContext::open(project, &arguments.stack).await?;
        let queues = selected(context.operator.resources().queues(), &arguments.queues)?;
        for queue in queues {
            let found = context
                .operator
                .dead_letters(queue, arguments.limit)
                .await?;
            print(&context, queue, &found, arguments.json)?;
            if arguments.dry_run || found.letters.is_empty() {
                continue;
            }
            let moved = context.operator.redrive(queue, context.is_emulator).await?;
            writeln!(
                io::stderr(),
                "Moved {} back to the queue {}.",
                messages(moved.messages),
                queue.declared
            )?;
        }
        Ok(CommandOutcome::Done)
    })
}

fn messages(count: u64) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} message{plural}")
}

/// The queues with these names; all if none is given.
fn selected<'a>(queues: &'a [QueueNames], names: &[String]) -> anyhow::Result<Vec<&'a QueueNames>> {
    let known: Vec<_> = queues.iter().map(|queue| queue.declared).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        bail!(
            "the stack has no queue '{unknown}'\n  help: use one of {}",
            known.join(", ")
        );
    }
    let is_selected =
        |queue: &&QueueNames| names.is_empty() || names.iter().any(|name| name == queue.declared);
    Ok(queues.iter().filter(is_selected).collect())
}

fn print(
    context: &JobsContext,
    queue: &QueueNames,
    found: &DeadLetters,
    json: bool,
) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        for letter in &found.letters {
            out.write_all(render::json_line(letter)?.as_bytes())?;
        }
    } else if !found.letters.is_empty() {
        let headings = [
            "QUEUE", "JOB", "STATUS", "REQUEST", "RECEIVES", "SENT", "CAUSE",
        ];
        let now = context.operator.clock().now();
        let rows = found.letters.iter().map(|letter| {
            [
                letter.queue.to_owned(),
                letter
                    .job_id
                    .as_ref()
                    .map_or_else(|| "-".to_owned(), ToString::to_string),
                status(letter),
                cell(&letter.request),
                letter.receives.to_string(),
                letter
                    .sent_at
                    .map_or_else(|| "-".to_owned(), |sent| format!("{} ago", age(sent, now))),
                cause(letter),
            ]
        });
        let rows = [headings.map(str::to_owned)].into_iter().chain(rows);
        out.write_all(aligned(rows).as_bytes())?;
    }
    if found.letters.is_empty() {
        writeln!(
            io::stderr(),
            "The queue {} has no dead letters.",
            queue.declared
        )?;
    } else if found.has_more {
        let shown = found.letters.len();
        writeln!(
            io::stderr(),
            "There are more dead letters than these {shown}."
        )?;
    }
    Ok(())
}

fn status(letter: &DeadLetter) -> String {
    match (&letter.job, &letter.job_id) {
        (Some(job), _) => status_style(job.status)
            .apply_to(job.status.name())
            .to_string(),
        (None, Some(_)) => "deleted".to_owned(),
        (None, None) => "-".to_owned(),
    }
}

/// Why the message was not processed, as far as it is recorded: the functions log it.
fn cause(letter: &DeadLetter) -> String {
    match letter.job.as_ref().and_then(|job| job.error.as_ref()) {
        Some(error) => cell(&format!("{}: {}", error.code, error.message)),
        None => "in the function's log".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_queue_is_refused_with_the_known_ones() {
        let queues = ["jobs", "deliveries"].map(|declared| QueueNames {
            declared,
            queue: declared.to_owned(),
            dead_letters: format!("{declared}-dead-letters"),
        });
        let names = |names: &[&str]| -> Vec<String> {
            names.iter().map(|name| (*name).to_owned()).collect()
        };
        assert_eq!(selected(&queues, &[]).expect("all").len(), 2);
        let one = selected(&queues, &names(&["deliveries"])).expect("known");
        assert_eq!(one, [&queues[1]]);
        let error = selected(&queues, &names(&["job"])).expect_err("unknown");
        assert!(
            error
                .to_string()
                .contains("'job'\n  help: use one of jobs, deliveries")
        );
    }
}
