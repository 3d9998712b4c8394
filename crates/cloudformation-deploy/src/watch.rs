//! Follows an operation on a stack to its end.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    CallError, CallErrorKind, CloudFormation, DeployedStack, Events, StackEvent, StackState,
    StackStatus,
};

/// The end of an operation.
#[derive(Clone, Debug)]
pub struct WatchResult {
    /// The status of the stack after the operation.
    pub status: StackStatus,
    /// All events of the operation, the oldest first.
    pub events: Vec<StackEvent>,
}

/// The pause after an event, when more are likely.
const SHORT_PAUSE: Duration = Duration::from_millis(500);
/// After pauses of this length without an event, the status of the stack is read, too: 4 seconds after the last
/// event.
const SILENCE: Duration = Duration::from_millis(1500);
/// The longest pause between two requests.
const LONG_PAUSE: Duration = Duration::from_secs(4);

/// Consecutive calls that may fail, beyond the SDK's own retries.
const MAX_FAILURES: u32 = 5;

/// Follows an operation to its end, and calls `on_event` with each event.
///
/// A short network failure does not end it, since CloudFormation continues. If there are no events for
/// a while, the status of the stack decides: the last event may have come before the first request.
pub async fn watch(
    aws: &CloudFormation,
    events: &mut Events,
    mut on_event: impl FnMut(&StackEvent),
) -> Result<WatchResult, CallError> {
    let mut all = Vec::new();
    let mut pause = SHORT_PAUSE;
    let mut failures = 0;
    loop {
        let mut finished = None;
        let answer = match events.next(aws).await {
            Ok(new) if new.is_empty() && pause >= SILENCE => {
                match finished_status(aws, events.stack_id()).await {
                    Ok(Some(status)) => {
                        finished = Some(status);
                        // The last events may have appeared since the request for them.
                        events.next(aws).await
                    }
                    answer => answer.map(|_| new),
                }
            }
            answer => answer,
        };
        let new = match answer {
            Ok(new) => {
                failures = 0;
                new
            }
            Err(error) => {
                failures += 1;
                let is_transient = matches!(
                    error.kind,
                    CallErrorKind::Throttled | CallErrorKind::Unreachable
                );
                if !is_transient || failures > MAX_FAILURES {
                    return Err(error);
                }
                Vec::new()
            }
        };
        pause = if new.is_empty() {
            (pause * 3 / 2).min(LONG_PAUSE)
        } else {
            SHORT_PAUSE
        };
        for event in new {
            on_event(&event);
            let end = event.end();
            all.push(event);
            if let Some(status) = end {
                return Ok(WatchResult {
                    status,
                    events: all,
                });
            }
        }
        if let Some(status) = finished {
            return Ok(WatchResult {
                status,
                events: all,
            });
        }
        sleep(pause).await;
    }
}

/// The status of the stack if no operation is in progress.
async fn finished_status(
    aws: &CloudFormation,
    stack_id: &str,
) -> Result<Option<StackStatus>, CallError> {
    let Some(stack) = DeployedStack::find(aws, stack_id).await? else {
        return Ok(Some(StackStatus::DeleteComplete));
    };
    let is_in_progress = matches!(
        stack.status.state(),
        StackState::InProgress | StackState::Empty
    );
    Ok((!is_in_progress).then_some(stack.status))
}
