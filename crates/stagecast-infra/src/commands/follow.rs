//! Follows an operation on a stack and prints its events.

use std::collections::BTreeSet;

use crate::deploy::{AwsSession, Events, StackEvent, WatchResult, watch};
use console::{Style, style};

use super::{stack_error::StackError, terminal::Terminal};

/// Follows an operation to its end and prints a line for each resource that is finished.
/// `total` is the expected number of resources.
pub(crate) async fn follow(
    session: &AwsSession,
    stack: &str,
    total: usize,
    events: &mut Events,
    terminal: &mut Terminal,
) -> Result<WatchResult, StackError> {
    terminal.start_counting(total, "");
    let mut in_progress = BTreeSet::new();
    let mut done = BTreeSet::new();
    let result = watch(&session.cloudformation, events, |event| {
        if event.is_final() {
            in_progress.remove(&event.logical_id);
            if !event.is_stack {
                done.insert(event.logical_id.clone());
            }
        } else if !event.is_stack {
            in_progress.insert(event.logical_id.clone());
        }
        if let Some(line) = line(event) {
            terminal.line(line);
        }
        let names: Vec<_> = in_progress.iter().map(String::as_str).collect();
        terminal.progress(done.len(), names.join(", "));
    })
    .await;
    terminal.finish();
    result.map_err(|cause| StackError::WatchFailed {
        stack: stack.to_owned(),
        cause,
    })
}

/// The line for a resource that is finished or has failed. Resources in progress are shown in the
/// progress bar only.
fn line(event: &StackEvent) -> Option<String> {
    let StackEvent {
        logical_id,
        kind,
        status,
        ..
    } = event;
    let has_failed = event.is_failure() || status.contains("ROLLBACK");
    let starts_rollback = has_failed && event.is_stack;
    if !event.is_final() && !starts_rollback {
        return None;
    }
    let colour = if has_failed {
        Style::new().red()
    } else {
        Style::new().green()
    };
    let line = format!(
        "  {} {logical_id} {}",
        colour.for_stderr().apply_to(format!("{status:<24}")),
        style(kind).dim().for_stderr()
    );
    Some(match event.reason.as_ref().filter(|_| has_failed) {
        Some(reason) => format!("{line}\n      {reason}"),
        None => line,
    })
}
