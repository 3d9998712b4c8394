//! Describes how an operation on a stack failed.

use crate::{
    deploy::{StackEvent, WatchResult, first_cause},
    template::Template,
};

use super::advice::advice_for;

/// The construct that made the resource that failed first.
pub(crate) fn failed_construct(result: &WatchResult, template: &Template) -> Option<String> {
    let event = first_cause(&result.events)?;
    let mut resources = template.resources().iter();
    let (_, resource) = resources.find(|(id, _)| id.as_str() == event.logical_id)?;
    Some(resource.path.to_string())
}

/// The first cause, the resources that remain, and the status of the stack.
pub(crate) fn describe_failure(
    stack: &str,
    result: &WatchResult,
    construct: Option<&str>,
) -> String {
    let mut lines = Vec::new();
    if let Some(event) = first_cause(&result.events) {
        let StackEvent {
            logical_id,
            kind,
            status,
            reason,
            ..
        } = event;
        let construct = construct.map_or_else(String::new, |it| format!(", construct {it}"));
        lines.push(format!("{logical_id} ({kind}) is {status}{construct}"));
        if let Some(reason) = reason {
            lines.push(format!("  AWS says: {reason}"));
            lines.extend(advice_for(reason).map(|advice| format!("  help: {advice}")));
        }
    }
    lines.extend(list_of_remaining(&result.events));
    let status = &result.status;
    lines.push(format!(
        "  the stack {stack} is {status}: {}",
        status.meaning()
    ));
    lines.join("\n")
}

/// The physical ids of the tables that remain because of their deletion protection.
pub(crate) fn protected_tables(events: &[StackEvent]) -> Vec<&str> {
    let tables = remaining(events).filter(|event| event.is_protected());
    tables.map(|event| event.physical_id.as_str()).collect()
}

/// The resources that CloudFormation deleted from the stack, or tried to, and that remain in the
/// account.
fn remaining(events: &[StackEvent]) -> impl Iterator<Item = &StackEvent> {
    let indexed = events.iter().enumerate();
    let remaining = indexed.filter(|(index, event)| {
        // CloudFormation retries a deletion that failed.
        let mut later = events[index + 1..].iter();
        event.is_retained() && !later.any(|later| later.logical_id == event.logical_id)
    });
    remaining.map(|(_, event)| event)
}

fn list_of_remaining(events: &[StackEvent]) -> Option<String> {
    let names: Vec<_> = remaining(events)
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
    (!names.is_empty()).then(|| format!("  these remain in the account:{}", names.concat()))
}
