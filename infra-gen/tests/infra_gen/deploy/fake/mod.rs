//! A fake of the operations of AWS that infra-gen calls: one stack, one bucket, and events that a test
//! provides. It does not validate requests; its purpose is to fail on demand.

mod cloudformation;
mod operation;
mod services;
mod state;
mod xml;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
};

use self::{
    operation::operation,
    state::{State, tags_of},
    xml::{error, s3_error},
};
use super::http::{Answer, Request, serve};

pub(super) use state::{Event, Stack};

pub(super) const ACCOUNT: &str = "123456789012";

/// The fake, with its address.
#[derive(Clone, Debug)]
pub(super) struct FakeAws {
    pub(super) url: String,
    state: Arc<Mutex<State>>,
}

impl FakeAws {
    /// An account with a logging role and nothing else, in which every call succeeds.
    pub(super) fn new() -> Self {
        let state = Arc::new(Mutex::new(State {
            logging_role: true,
            execution: vec![
                (
                    "it",
                    "AWS::CloudFormation::Stack",
                    "CREATE_IN_PROGRESS",
                    "User Initiated",
                ),
                (
                    "JobsTable",
                    "AWS::DynamoDB::Table",
                    "CREATE_IN_PROGRESS",
                    "",
                ),
                ("JobsTable", "AWS::DynamoDB::Table", "CREATE_COMPLETE", ""),
                ("it", "AWS::CloudFormation::Stack", "CREATE_COMPLETE", ""),
            ],
            deletion: vec![
                (
                    "it",
                    "AWS::CloudFormation::Stack",
                    "DELETE_IN_PROGRESS",
                    "User Initiated",
                ),
                ("JobsTable", "AWS::DynamoDB::Table", "DELETE_COMPLETE", ""),
                ("it", "AWS::CloudFormation::Stack", "DELETE_COMPLETE", ""),
            ],
            ..State::default()
        }));
        let shared = state.clone();
        let url = serve(move |request| {
            let mut state = shared.lock().expect("not poisoned");
            let operation = operation(&request);
            state.requests.push((operation.clone(), request.clone()));
            let instead = state.instead.get_mut(&operation);
            if let Some(answer) = instead.and_then(VecDeque::pop_front) {
                return answer;
            }
            let answer = state.answer(&operation, &request);
            state.lost.remove(&operation).unwrap_or(answer)
        });
        Self { url, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }

    pub(super) fn with_stack(self, stack: Stack) -> Self {
        self.state().stack = Some(stack);
        self
    }

    /// Adds a table, created by the given stack.
    pub(super) fn with_table(self, name: &str, stack: Option<&str>) -> Self {
        let tags = stack.map(tags_of).unwrap_or_default();
        self.state().tables.insert(name.to_owned(), tags);
        self
    }

    /// Adds a queue, created by the given stack.
    pub(super) fn with_queue(self, name: &str, stack: Option<&str>) -> Self {
        let tags = stack.map(tags_of).unwrap_or_default();
        self.state().queues.insert(name.to_owned(), tags);
        self
    }

    pub(super) fn without_logging_role(self) -> Self {
        self.state().logging_role = false;
        self
    }

    /// Sets the events of the execution of a change set.
    pub(super) fn with_execution(self, events: &[Event]) -> Self {
        self.state().execution = events.to_vec();
        self
    }

    /// Sets the events of the deletion of the stack.
    pub(super) fn with_deletion(self, events: &[Event]) -> Self {
        self.state().deletion = events.to_vec();
        self
    }

    /// Sets the earlier events.
    pub(super) fn with_events(self, events: &[Event]) -> Self {
        self.state().events = events.to_vec();
        self
    }

    /// Sets the events that follow the first request for events.
    pub(super) fn with_later_events(self, events: &[Event]) -> Self {
        self.state().later = events.to_vec();
        self
    }

    /// Sets the number of events on a page.
    pub(super) fn with_pages_of(self, events: usize) -> Self {
        self.state().page = Some(events);
        self
    }

    /// Executes the next call of an operation, and answers it with an error: the answer to a retry after
    /// the first answer was lost.
    pub(super) fn losing_answer(self, operation: &str, code: &str, message: &str) -> Self {
        let body = error(code, message);
        let answer = Answer { status: 400, body };
        self.state().lost.insert(operation.to_owned(), answer);
        self
    }

    /// Never answers the next calls of an operation.
    pub(super) fn silent_on(&self, operation: &str) {
        let aws = self.clone();
        aws.answering(operation, Answer::NEVER, "", 100);
    }

    /// Sets the status of the stack after the first request for events.
    pub(super) fn with_final_status(self, status: &str) -> Self {
        self.state().ending = Some(status.to_owned());
        self
    }

    /// Adds a change of a resource to the change set.
    pub(super) fn with_change(self, id: &str, kind: &str, action: &str, replacement: &str) -> Self {
        let change = format!(
            "<member><Type>Resource</Type><ResourceChange><Action>{action}</Action>\
             <LogicalResourceId>{id}</LogicalResourceId><ResourceType>{kind}</ResourceType>\
             <Replacement>{replacement}</Replacement></ResourceChange></member>"
        );
        self.state().changes.push_str(&change);
        self
    }

    /// Answers the next calls of an operation with this, without executing them.
    pub(super) fn answering(self, operation: &str, status: u16, body: &str, times: usize) -> Self {
        let body = body.to_owned();
        let answers = vec![Answer { status, body }; times];
        self.state()
            .instead
            .insert(operation.to_owned(), answers.into());
        self
    }

    /// Fails the next calls of an operation with an error code.
    pub(super) fn failing(self, operation: &str, status: u16, code: &str, times: usize) -> Self {
        let body = if operation.contains("Bucket") {
            s3_error(status, code).body
        } else {
            error(code, &format!("{code}, says the fake"))
        };
        self.answering(operation, status, &body, times)
    }

    /// The called operations, in order.
    pub(super) fn calls(&self) -> Vec<String> {
        self.state()
            .requests
            .iter()
            .map(|it| it.0.clone())
            .collect()
    }

    /// The calls of an operation, in order.
    pub(super) fn requests(&self, operation: &str) -> Vec<Request> {
        let state = self.state();
        let requests = state.requests.iter().filter(|it| it.0 == operation);
        requests.map(|it| it.1.clone()).collect()
    }

    pub(super) fn count(&self, operation: &str) -> usize {
        self.requests(operation).len()
    }

    pub(super) fn objects(&self) -> Vec<String> {
        self.state().objects.iter().cloned().collect()
    }

    pub(super) fn add_object(&self, key: &str) {
        self.state().objects.insert(key.to_owned());
    }

    /// Forgets the hash of an object, as if the object had another content.
    pub(super) fn without_hash(&self, path: &str) -> Self {
        self.state().hashes.remove(path);
        self.clone()
    }

    pub(super) fn stack_status(&self) -> Option<String> {
        self.state()
            .stack
            .as_ref()
            .map(|stack| stack.status.clone())
    }
}
