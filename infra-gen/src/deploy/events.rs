//! What CloudFormation tells about a stack while it works on it.

use std::collections::HashSet;

use super::{CallError, Session, StackStatus, advice, call::Attempt as _};

/// Something that has happened to a resource, or to the stack itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackEvent {
    /// The event's id.
    pub id: String,
    /// The name of the resource in the template.
    pub logical_id: String,
    /// Its type.
    pub kind: String,
    /// The state that it is in now.
    pub status: String,
    /// Why.
    pub reason: Option<String>,
    /// Whether it is about the stack itself.
    pub of_stack: bool,
    /// Its name in the account.
    pub physical_id: String,
    /// What the operation that it belongs to was asked for with.
    pub token: Option<String>,
}

impl StackEvent {
    /// Whether something did not work.
    pub fn is_failure(&self) -> bool {
        self.status.ends_with("_FAILED")
    }

    /// Whether something is finished, well or not.
    pub fn is_final(&self) -> bool {
        self.status.ends_with("_COMPLETE") || self.is_left() || self.is_failure()
    }

    /// Whether something that should go, or may go, stays in the account.
    pub fn is_left(&self) -> bool {
        !self.of_stack && matches!(self.status.as_str(), "DELETE_SKIPPED" | "DELETE_FAILED")
    }

    /// Whether it is about a table that could not be deleted because it is protected.
    pub fn is_protected(&self) -> bool {
        advice::tells_of_protection(&self.kind, self.reason.as_deref())
    }

    /// The state that an operation on the stack ended in, if this event says that it did.
    pub(super) fn end(&self) -> Option<StackStatus> {
        (self.of_stack && self.is_final()).then(|| StackStatus::new(&self.status))
    }
}

/// A stack's events, from a point in time on. Times are AWS's, so events are told apart by their
/// ids instead.
#[derive(Debug)]
pub struct Events {
    stack_id: String,
    stack_name: String,
    seen: HashSet<String>,
}

impl Events {
    /// The events from now on.
    pub async fn from_now(
        session: &Session,
        stack_id: &str,
        stack_name: &str,
    ) -> Result<Self, CallError> {
        let mut events = Self::of(stack_id, stack_name);
        // A page goes far enough back: what is not on it is not the next to be told.
        let (page, _) = events.page(session, None).await?;
        events.seen.extend(page.into_iter().map(|event| event.id));
        Ok(events)
    }

    /// The events of the operation that is at work. It begins after the end of the one before: how
    /// it begins differs, since a rollback may be an operation of its own.
    pub async fn of_running_operation(
        session: &Session,
        stack_id: &str,
        stack_name: &str,
    ) -> Result<Self, CallError> {
        let mut events = Self::of(stack_id, stack_name);
        let mut token = None;
        let mut before_it = false;
        loop {
            let (page, next) = events.page(session, token).await?;
            for event in page {
                before_it |= event.end().is_some();
                if before_it {
                    events.seen.insert(event.id);
                }
            }
            token = next;
            if before_it || token.is_none() {
                return Ok(events);
            }
        }
    }

    /// The latest events, the newest first.
    pub(super) async fn newest(
        session: &Session,
        stack_id: &str,
        stack_name: &str,
    ) -> Result<Vec<StackEvent>, CallError> {
        let (page, _) = Self::of(stack_id, stack_name).page(session, None).await?;
        Ok(page)
    }

    fn of(stack_id: &str, stack_name: &str) -> Self {
        Self {
            stack_id: stack_id.to_owned(),
            stack_name: stack_name.to_owned(),
            seen: HashSet::new(),
        }
    }

    /// The ARN of the stack.
    pub(super) fn stack_id(&self) -> &str {
        &self.stack_id
    }

    /// What has happened since the last call, in the order in which it did.
    pub async fn next(&mut self, session: &Session) -> Result<Vec<StackEvent>, CallError> {
        let mut found = Vec::new();
        let mut token = None;
        loop {
            let (page, next) = self.page(session, token).await?;
            // The newest come first.
            let count = page.len();
            let new = page
                .into_iter()
                .take_while(|event| !self.seen.contains(&event.id));
            let before = found.len();
            found.extend(new);
            token = next;
            let met_the_last = found.len() < before + count;
            if met_the_last || token.is_none() {
                break;
            }
        }
        self.seen.extend(found.iter().map(|event| event.id.clone()));
        found.reverse();
        Ok(found)
    }

    async fn page(
        &self,
        session: &Session,
        token: Option<String>,
    ) -> Result<(Vec<StackEvent>, Option<String>), CallError> {
        let request = session.cloudformation.describe_stack_events();
        let answer = request
            .stack_name(&self.stack_id)
            .set_next_token(token)
            .send()
            .await;
        let answer =
            answer.attempt(|| format!("read the events of the stack {}", self.stack_name))?;
        let events = answer.stack_events.unwrap_or_default().into_iter();
        let events = events.map(|event| {
            let physical_id = event.physical_resource_id.unwrap_or_default();
            let status = event.resource_status.as_ref();
            StackEvent {
                of_stack: physical_id == self.stack_id,
                physical_id,
                token: event.client_request_token,
                status: status.map_or_else(String::new, |status| status.as_str().to_owned()),
                reason: event
                    .resource_status_reason
                    .filter(|reason| !reason.is_empty()),
                id: event.event_id.unwrap_or_default(),
                logical_id: event.logical_resource_id.unwrap_or_default(),
                kind: event.resource_type.unwrap_or_default(),
            }
        });
        Ok((
            events.collect(),
            answer.next_token.filter(|token| !token.is_empty()),
        ))
    }
}

/// The event that everything else follows from: the first failure that is not the consequence of
/// another.
pub fn first_cause(events: &[StackEvent]) -> Option<&StackEvent> {
    let is_consequence = |event: &&StackEvent| {
        let reason = event.reason.as_deref().unwrap_or_default();
        reason.contains("cancelled")
    };
    let failures = || events.iter().filter(|event| event.is_failure());
    failures()
        .find(|event| !event.of_stack && !is_consequence(event))
        .or_else(|| failures().find(|event| !is_consequence(event)))
        // A stack that cannot be made at all says so of itself only.
        .or_else(|| {
            events
                .iter()
                .find(|event| event.status.contains("ROLLBACK_IN_PROGRESS"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(logical_id: &str, status: &str, reason: Option<&str>) -> StackEvent {
        StackEvent {
            id: format!("{logical_id} {status}"),
            logical_id: logical_id.to_owned(),
            kind: "AWS::SQS::Queue".to_owned(),
            status: status.to_owned(),
            reason: reason.map(str::to_owned),
            of_stack: logical_id == "stack",
            physical_id: String::new(),
            token: None,
        }
    }

    #[test]
    fn the_first_cause_is_the_first_failure_that_no_other_has_caused() {
        let events = [
            event("stack", "CREATE_IN_PROGRESS", Some("User Initiated")),
            event("Role", "CREATE_FAILED", Some("Resource creation cancelled")),
            event("Queue", "CREATE_FAILED", Some("jobs already exists")),
            event(
                "Table",
                "CREATE_FAILED",
                Some("Resource creation cancelled"),
            ),
            event(
                "stack",
                "ROLLBACK_IN_PROGRESS",
                Some("The following resource(s) failed"),
            ),
            event("Role", "DELETE_FAILED", Some("not authorized")),
            event("stack", "ROLLBACK_FAILED", None),
        ];
        let cause = first_cause(&events).expect("a cause");
        assert_eq!(cause.reason.as_deref(), Some("jobs already exists"));
    }

    #[test]
    fn a_stack_that_only_speaks_of_itself_is_believed() {
        let events = [
            event(
                "stack",
                "UPDATE_ROLLBACK_IN_PROGRESS",
                Some("cancelled by the user"),
            ),
            event("stack", "UPDATE_ROLLBACK_COMPLETE", None),
        ];
        let cause = first_cause(&events).expect("a cause");
        assert_eq!(cause.reason.as_deref(), Some("cancelled by the user"));
        assert_eq!(
            first_cause(&[event("stack", "CREATE_COMPLETE", None)]),
            None
        );
    }
}
