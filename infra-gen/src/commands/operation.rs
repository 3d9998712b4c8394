//! Following an operation on a stack, and saying how it ended.

use std::collections::BTreeSet;

use anyhow::{Context, anyhow};
use console::{Style, style};
use infra_gen::{
    deploy::{Ending, Events, Naming, Session, StackEvent, advice, first_cause, watch},
    template::Template,
};

use super::terminal::Terminal;

/// An operation on a stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation<'a> {
    pub(crate) session: &'a Session,
    pub(crate) stack: &'a str,
    /// How many resources it is about.
    pub(crate) total: usize,
    /// What else can be done when nobody watches any more.
    pub(crate) go_on: &'a str,
}

impl Operation<'_> {
    /// Follows it to its end, with a line for each thing that is done.
    pub(crate) async fn follow(
        &self,
        terminal: &mut Terminal,
        events: &mut Events,
    ) -> anyhow::Result<Ending> {
        terminal.start_counting(self.total, "");
        let mut working = BTreeSet::new();
        let mut done = BTreeSet::new();
        let ending = watch(self.session, events, |event| {
            if event.is_final() {
                working.remove(&event.logical_id);
                if !event.of_stack {
                    done.insert(event.logical_id.clone());
                }
            } else if !event.of_stack {
                working.insert(event.logical_id.clone());
            }
            if let Some(line) = line(event) {
                terminal.line(line);
            }
            let names: Vec<_> = working.iter().map(String::as_str).collect();
            terminal.progress(done.len(), names.join(", "));
        })
        .await;
        terminal.finish();
        ending.with_context(|| {
            format!(
                "the stack {} is being worked on, and that goes on by itself; it just cannot be \
                 watched any more\n  how to go on: {}",
                self.stack, self.go_on
            )
        })
    }
}

/// A line for what is finished, or has gone wrong. What has only begun is shown while it lasts.
fn line(event: &StackEvent) -> Option<String> {
    let StackEvent {
        logical_id,
        kind,
        status,
        ..
    } = event;
    let went_wrong = event.is_failure() || status.contains("ROLLBACK");
    let is_turn = went_wrong && event.of_stack;
    if !event.is_final() && !is_turn {
        return None;
    }
    let colour = if went_wrong {
        Style::new().red()
    } else {
        Style::new().green()
    };
    let line = format!(
        "  {} {logical_id} {}",
        colour.for_stderr().apply_to(format!("{status:<24}")),
        style(kind).dim().for_stderr()
    );
    Some(match event.reason.as_ref().filter(|_| went_wrong) {
        Some(reason) => format!("{line}\n      {reason}"),
        None => line,
    })
}

/// How an operation failed: the first cause, then what state the stack is in now, and the way on.
pub(crate) fn failure(
    naming: &Naming,
    ending: &Ending,
    template: Option<&Template>,
    next: &str,
) -> anyhow::Error {
    let status = &ending.status;
    let tables = protected(&ending.events);
    let first = if status.as_str() == "DELETE_FAILED" {
        take_protection_off(&tables, naming)
    } else {
        delete_by_hand(&tables, naming)
    };
    let remediation = status
        .remediation(naming)
        .unwrap_or_else(|| next.to_owned());
    let remediation = Some(remediation).filter(|it| !it.is_empty());
    let steps: Vec<_> = first.into_iter().chain(remediation).collect();
    let mut text = what_failed(naming, ending, template);
    if !steps.is_empty() {
        text = text + "\n  how to go on: " + &steps.join("\n    then ");
    }
    anyhow!(text)
}

/// How an operation failed, for who goes on all the same.
pub(crate) fn what_failed(naming: &Naming, ending: &Ending, template: Option<&Template>) -> String {
    let mut lines = Vec::new();
    if let Some(event) = first_cause(&ending.events) {
        let StackEvent {
            logical_id,
            kind,
            status,
            reason,
            ..
        } = event;
        let construct = template.and_then(|template| construct(template, logical_id));
        let construct = construct.map_or_else(String::new, |it| format!(", the construct {it}"));
        lines.push(format!("{logical_id} ({kind}) is {status}{construct}"));
        if let Some(reason) = reason {
            lines.push(format!("  AWS says: {reason}"));
            lines.extend(advice::on(reason).map(|advice| format!("  what to do: {advice}")));
        }
    }
    lines.extend(list_of_left(&ending.events));
    let (status, stack) = (&ending.status, &naming.stack);
    lines.push(format!(
        "  the stack {stack} is {status}: {}",
        status.meaning()
    ));
    lines.join("\n")
}

/// How tables go that no stack deletes any more: a deployment has made them that was undone, and
/// their protection has left them in the account, with names that the next deployment needs.
pub(crate) fn delete_by_hand(tables: &[&str], naming: &Naming) -> Option<String> {
    let commands = commands(&[UNPROTECT, "delete-table"], tables, naming);
    (!tables.is_empty()).then(|| format!("delete the tables that their protection left:{commands}"))
}

/// How tables and queues go that no stack owns: a type and a name each.
pub(crate) fn commands_that_delete(left: &[(&str, &str)], naming: &Naming) -> Option<String> {
    let aws = &naming.aws;
    let of = |wanted: &str| -> Vec<&str> {
        let left = left.iter().filter(|(kind, _)| *kind == wanted);
        left.map(|(_, name)| *name).collect()
    };
    let tables = commands(
        &[UNPROTECT, "delete-table"],
        &of("AWS::DynamoDB::Table"),
        naming,
    );
    let queues = of("AWS::SQS::Queue").into_iter().map(|queue| {
        format!(
            "\n      aws sqs delete-queue{aws} --queue-url \"$(aws sqs get-queue-url{aws} --queue-name \
             {queue} --query QueueUrl --output text)\""
        )
    });
    let all = tables + &queues.collect::<String>();
    Some(all).filter(|all| !all.is_empty())
}

fn take_protection_off(tables: &[&str], naming: &Naming) -> Option<String> {
    let commands = commands(&[UNPROTECT], tables, naming);
    (!tables.is_empty()).then(|| format!("take the tables' protection off:{commands}"))
}

const UNPROTECT: &str = "update-table --no-deletion-protection-enabled";

fn commands(verbs: &[&str], tables: &[&str], naming: &Naming) -> String {
    let aws = &naming.aws;
    let commands = tables.iter().flat_map(|table| {
        let command = move |verb| format!("\n      aws dynamodb {verb} --table-name {table}{aws}");
        verbs.iter().map(command)
    });
    commands.collect()
}

/// The tables that are left because they are protected.
fn protected(events: &[StackEvent]) -> Vec<&str> {
    let tables = left(events).filter(|event| event.is_protected());
    tables.map(|event| event.physical_id.as_str()).collect()
}

/// What should have gone, or might have, and is in the account still.
fn left(events: &[StackEvent]) -> impl Iterator<Item = &StackEvent> {
    let events_and_later = events.iter().enumerate();
    let left = events_and_later.filter(|(index, event)| {
        // What could not be deleted is tried again.
        let mut later = events[index + 1..].iter();
        event.is_left() && !later.any(|later| later.logical_id == event.logical_id)
    });
    left.map(|(_, event)| event)
}

fn list_of_left(events: &[StackEvent]) -> Option<String> {
    let names: Vec<_> = left(events)
        .map(|event| {
            let StackEvent {
                logical_id,
                kind,
                physical_id,
                ..
            } = event;
            format!("\n    {logical_id} ({kind}) {physical_id}")
        })
        .collect();
    (!names.is_empty()).then(|| format!("  what is left in the account:{}", names.concat()))
}

fn construct(template: &Template, logical_id: &str) -> Option<String> {
    let mut resources = template.resources().iter();
    let (_, resource) = resources.find(|(id, _)| id.as_str() == logical_id)?;
    Some(resource.path.to_string())
}
