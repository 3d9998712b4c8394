//! Following an operation on a stack to its end.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    CallError, CallErrorKind, DeployedStack, Events, Session, StackEvent, StackState, StackStatus,
};

/// How an operation ended, and what happened on the way.
#[derive(Clone, Debug)]
pub struct Ending {
    /// The state that the stack is in now.
    pub status: StackStatus,
    /// Everything that happened, in order.
    pub events: Vec<StackEvent>,
}

/// The pause after something has happened: more is to come.
const SHORT_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const LONG_PAUSE: Duration = Duration::from_secs(4);

/// Calls in a row that may fail, beyond what the SDK itself has tried again.
const FAILURES: u32 = 5;

/// Follows an operation to its end and tells each event as it comes.
///
/// A network that is away for a moment does not end it, since CloudFormation goes on anyway. Nor
/// does it wait for an end that was told before anyone listened: after a while without news the
/// stack itself is looked at.
pub async fn watch(
    session: &Session,
    events: &mut Events,
    mut tell: impl FnMut(&StackEvent),
) -> Result<Ending, CallError> {
    let mut all = Vec::new();
    let mut pause = SHORT_PAUSE;
    let mut failures = 0;
    loop {
        let mut settled = None;
        let answer = match events.next(session).await {
            Ok(new) if new.is_empty() && pause == LONG_PAUSE => {
                match settled_in(session, events.stack_id()).await {
                    Ok(Some(status)) => {
                        settled = Some(status);
                        // What led to it may have been told just now.
                        events.next(session).await
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
                let passes = matches!(
                    error.kind,
                    CallErrorKind::Throttled | CallErrorKind::Unreachable
                );
                if !passes || failures > FAILURES {
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
            tell(&event);
            let end = event.end();
            all.push(event);
            if let Some(status) = end {
                return Ok(Ending {
                    status,
                    events: all,
                });
            }
        }
        if let Some(status) = settled {
            return Ok(Ending {
                status,
                events: all,
            });
        }
        sleep(pause).await;
    }
}

/// The state that the stack is in, if nobody works on it any more.
async fn settled_in(session: &Session, stack_id: &str) -> Result<Option<StackStatus>, CallError> {
    let Some(stack) = DeployedStack::find(session, stack_id).await? else {
        return Ok(Some(StackStatus::new("DELETE_COMPLETE")));
    };
    let at_work = matches!(stack.status.state(), StackState::Busy | StackState::Empty);
    Ok((!at_work).then_some(stack.status))
}
