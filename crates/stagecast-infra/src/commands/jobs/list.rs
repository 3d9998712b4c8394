//! `infra-gen jobs list`.

use std::io::{self, Write};

use clap::Args;
use stagecast_contract::messages::JobStatus;
use stagecast_operator::list::{JobFilter, JobList};

use super::{
    context::{JobsContext, declared_queue, label, status},
    render,
};
use crate::{
    commands::{outcome::CommandOutcome, runtime::block_on, stack_options::StackOptions},
    project::Project,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    stack: StackOptions,
    /// Jobs of this queue of external workers. Without --status: those that wait in it, in the order in which they are
    /// claimed.
    #[arg(long, value_name = "QUEUE")]
    queue: Option<String>,
    /// Jobs of this owner, newest first.
    #[arg(long, value_name = "OWNER")]
    owner: Option<String>,
    /// Jobs with this status; may be repeated.
    #[arg(long = "status", value_name = "STATUS", value_parser = status)]
    statuses: Vec<JobStatus>,
    /// Jobs with this label; may be repeated.
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// Most jobs that are printed.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = limit)]
    limit: usize,
    /// Most items of the table that a list without an index reads.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = limit)]
    read_limit: usize,
    /// Print each job as a line of JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn limit(text: &str) -> Result<usize, String> {
    let number: usize = text.parse().map_err(|error| format!("{error}"))?;
    (number > 0)
        .then_some(number)
        .ok_or_else(|| "give at least 1".to_owned())
}

pub(super) fn run(project: Project, arguments: &Arguments) -> anyhow::Result<CommandOutcome> {
    let queue = arguments.queue.as_deref();
    let filter = JobFilter {
        statuses: arguments.statuses.clone(),
        queue: queue
            .map(|name| declared_queue(project, name))
            .transpose()?,
        owner: arguments.owner.clone(),
        labels: arguments.labels.iter().cloned().collect(),
    };
    let (list, now) = block_on(async {
        let context = JobsContext::open(project, &arguments.stack).await?;
        let (limit, read_limit) = (arguments.limit, arguments.read_limit);
        let list = context.operator.list(&filter, limit, read_limit).await?;
        Ok((list, context.operator.clock().now()))
    })?;
    let mut out = io::stdout().lock();
    if arguments.json {
        for job in &list.jobs {
            out.write_all(render::json_line(job)?.as_bytes())?;
        }
    } else if list.jobs.is_empty() {
        writeln!(out, "There are no such jobs.")?;
    } else {
        out.write_all(render::table(&list.jobs, now).as_bytes())?;
    }
    for line in notes(&list, arguments) {
        writeln!(io::stderr(), "{line}")?;
    }
    Ok(CommandOutcome::Done)
}

/// What the reader has to know about the list, for standard error.
fn notes(list: &JobList, arguments: &Arguments) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(scan) = &list.scan {
        let units = scan.read_units;
        let units = units.map_or_else(String::new, |units| format!(", {units:.1} read units"));
        notes.push(format!(
            "Read {} items of the table of jobs{units}.",
            scan.items
        ));
        if scan.is_cut {
            notes.push(format!(
                "The table has more items than --read-limit {}: the list is not complete.",
                arguments.read_limit
            ));
        }
    }
    if list.has_more {
        notes.push(format!(
            "There are more jobs than --limit {}.",
            arguments.limit
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use stagecast_operator::list::Scan;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        list: Arguments,
    }

    fn arguments(options: &[&str]) -> Result<Arguments, clap::Error> {
        Ok(Line::try_parse_from([&["list"], options].concat())?.list)
    }

    #[test]
    fn list_that_is_not_complete_says_so_and_what_it_has_read() {
        let arguments = arguments(&["--limit", "2", "--read-limit", "7"]).expect("valid");
        let list = JobList {
            has_more: true,
            scan: Some(Scan {
                items: 8,
                read_units: Some(1.5),
                is_cut: true,
            }),
            ..JobList::default()
        };
        assert_eq!(
            notes(&list, &arguments),
            [
                "Read 8 items of the table of jobs, 1.5 read units.",
                "The table has more items than --read-limit 7: the list is not complete.",
                "There are more jobs than --limit 2.",
            ]
        );
        assert_eq!(notes(&JobList::default(), &arguments), [""; 0]);
    }

    #[test]
    fn limit_of_none_is_refused() {
        assert!(arguments(&["--limit", "0"]).is_err());
        assert!(arguments(&["--label", "team"]).is_err());
    }
}
