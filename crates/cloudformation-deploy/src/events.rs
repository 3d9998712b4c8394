//! The events of a stack.

use std::collections::HashSet;

use crate::{CallError, CloudFormation, StackStatus, call_error::Attempt as _};

/// A change of the status of a resource, or of the stack itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackEvent {
    /// The id of the event.
    pub id: String,
    /// The resource's logical id in the template.
    pub logical_id: String,
    /// The resource's type.
    pub kind: String,
    /// The resource's new status.
    pub status: String,
    /// The reason of the status.
    pub reason: Option<String>,
    /// Whether the event is about the stack itself.
    pub is_stack: bool,
    /// The resource's id in the account.
    pub physical_id: String,
    /// The client request token of the operation.
    pub token: Option<String>,
}

impl StackEvent {
    /// Whether the resource failed.
    pub fn is_failure(&self) -> bool {
        self.status.ends_with("_FAILED")
    }

    /// Whether the resource is finished, successfully or not.
    pub fn is_final(&self) -> bool {
        self.status.ends_with("_COMPLETE") || self.is_retained() || self.is_failure()
    }

    /// Whether the resource left the stack, or should have, and remains in the account.
    pub fn is_retained(&self) -> bool {
        !self.is_stack && matches!(self.status.as_str(), "DELETE_SKIPPED" | "DELETE_FAILED")
    }

    /// Whether a table could not be deleted because of its deletion protection.
    pub fn is_protected(&self) -> bool {
        is_deletion_protection(&self.kind, self.reason.as_deref())
    }

    /// The status of the stack if this event ends an operation.
    pub(super) fn end(&self) -> Option<StackStatus> {
        (self.is_stack && self.is_final()).then(|| StackStatus::new(&self.status))
    }
}

/// DynamoDB's reason for not deleting a table.
const DELETION_PROTECTION: &str = "protected against deletion";

/// Whether a table could not be deleted because of its deletion protection.
pub(crate) fn is_deletion_protection(kind: &str, reason: Option<&str>) -> bool {
    kind == "AWS::DynamoDB::Table"
        && reason.is_some_and(|reason| reason.contains(DELETION_PROTECTION))
}

/// The events of a stack that are newer than a point in time. Events are distinguished by id, because
/// their times are those of AWS's clocks.
#[derive(Debug)]
pub struct Events {
    stack_id: String,
    stack_name: String,
    seen: HashSet<String>,
}

impl Events {
    /// Skips all events until now.
    pub async fn from_now(
        aws: &CloudFormation,
        stack_id: &str,
        stack_name: &str,
    ) -> Result<Self, CallError> {
        let mut events = Self::of(stack_id, stack_name);
        // The events of one page are enough: `next` stops at the first one that it knows.
        let (page, _) = events.page(aws, None).await?;
        events.seen.extend(page.into_iter().map(|event| event.id));
        Ok(events)
    }

    /// Skips the events before the operation in progress. It starts after the last event that ended
    /// an operation; its first event has no fixed status, because a rollback can be an operation as
    /// well.
    pub async fn of_running_operation(
        aws: &CloudFormation,
        stack_id: &str,
        stack_name: &str,
    ) -> Result<Self, CallError> {
        let mut events = Self::of(stack_id, stack_name);
        let mut token = None;
        let mut before_it = false;
        loop {
            let (page, next) = events.page(aws, token).await?;
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

    /// The first page of events, the newest first.
    pub(super) async fn newest(
        aws: &CloudFormation,
        stack_id: &str,
        stack_name: &str,
    ) -> Result<Vec<StackEvent>, CallError> {
        let (page, _) = Self::of(stack_id, stack_name).page(aws, None).await?;
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

    /// The events since the last call, the oldest first.
    pub async fn next(&mut self, aws: &CloudFormation) -> Result<Vec<StackEvent>, CallError> {
        let mut found = Vec::new();
        let mut token = None;
        loop {
            let (page, next) = self.page(aws, token).await?;
            // A page has the newest events first.
            let count = page.len();
            let new = page
                .into_iter()
                .take_while(|event| !self.seen.contains(&event.id));
            let before = found.len();
            found.extend(new);
            token = next;
            let has_known_event = found.len() < before + count;
            if has_known_event || token.is_none() {
                break;
            }
        }
        self.seen.extend(found.iter().map(|event| event.id.clone()));
        found.reverse();
        Ok(found)
    }

    async fn page(
        &self,
        aws: &CloudFormation,
        token: Option<String>,
    ) -> Result<(Vec<StackEvent>, Option<String>), CallError> {
        let request = aws.client.describe_stack_events();
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
                is_stack: physical_id == self.stack_id,
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

/// The first cause of a failure: the first failed resource that was not cancelled because of another
/// one.
pub fn first_cause(events: &[StackEvent]) -> Option<&StackEvent> {
    let is_consequence = |event: &&StackEvent| {
        let reason = event.reason.as_deref().unwrap_or_default();
        reason.contains("cancelled")
    };
    let failures = || events.iter().filter(|event| event.is_failure());
    failures()
        .find(|event| !event.is_stack && !is_consequence(event))
        .or_else(|| failures().find(|event| !is_consequence(event)))
        // If no resource failed, the reason is that of the stack.
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
            is_stack: logical_id == "stack",
            physical_id: String::new(),
            token: None,
        }
    }

    #[test]
    fn first_cause_is_the_first_failure_that_was_not_cancelled() {
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
    fn first_cause_is_the_stack_if_no_resource_failed() {
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
