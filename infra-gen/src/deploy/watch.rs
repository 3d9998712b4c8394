//! Following an operation on a stack to its end.

use std::time::Duration;

use tokio::time::sleep;

use super::{CallError, CallErrorKind, Events, Session, StackEvent, StackStatus};

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
/// A network that is away for a moment does not end it, since CloudFormation goes on anyway.
pub async fn watch(
    session: &Session,
    events: &mut Events,
    mut tell: impl FnMut(&StackEvent),
) -> Result<Ending, CallError> {
    let mut all = Vec::new();
    let mut pause = SHORT_PAUSE;
    let mut failures = 0;
    loop {
        let new = match events.next(session).await {
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
        sleep(pause).await;
    }
}
