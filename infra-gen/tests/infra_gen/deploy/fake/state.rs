//! The account that the fake simulates.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::super::http::{Answer, Request};

/// The status of a resource after an event: name, type, status and reason. The stack's name is `it`.
pub(in super::super) type Event = (&'static str, &'static str, &'static str, &'static str);

#[derive(Debug, Default)]
pub(in super::super) struct Stack {
    pub(in super::super) name: String,
    pub(in super::super) status: String,
    pub(in super::super) reason: String,
    pub(in super::super) template: String,
    pub(in super::super) description: String,
    pub(in super::super) parameters: Vec<(String, String)>,
    pub(in super::super) tags: Vec<(String, String)>,
    pub(in super::super) termination_protection: bool,
}

pub(super) type Tags = Vec<(String, String)>;

/// The tags that CloudFormation sets on the resources of a stack.
pub(super) fn tags_of(stack: &str) -> Tags {
    let tags = [("stack-name", stack), ("stack-id", stack)];
    tags.map(|(key, value)| (format!("aws:cloudformation:{key}"), value.to_owned()))
        .to_vec()
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) stack: Option<Stack>,
    pub(super) events: Vec<Event>,
    /// The events of the execution of a change set, and of the deletion of the stack.
    pub(super) execution: Vec<Event>,
    pub(super) deletion: Vec<Event>,
    pub(super) planned: Option<HashMap<String, String>>,
    /// The status of the stack after the next request for events.
    pub(super) ending: Option<String>,
    /// The changes of the change set, as XML.
    pub(super) changes: String,
    pub(super) bucket_is_there: bool,
    pub(super) objects: BTreeSet<String>,
    /// The templates among the objects, by path.
    pub(super) templates: HashMap<String, String>,
    /// The hashes in the metadata of objects, by path.
    pub(super) hashes: HashMap<String, String>,
    pub(super) logging_role: bool,
    /// The tables and queues in the account, with their tags.
    pub(super) tables: HashMap<String, Tags>,
    pub(super) queues: HashMap<String, Tags>,
    /// Answers to operations that are not executed.
    pub(super) instead: HashMap<String, VecDeque<Answer>>,
    /// Answers to operations that are executed, instead of their own.
    pub(super) lost: HashMap<String, Answer>,
    /// The events that follow the next request for events.
    pub(super) later: Vec<Event>,
    /// The index of the first event of the execution, and its client request token.
    pub(super) executed: Option<(usize, String)>,
    /// The number of events on a page; all by default.
    pub(super) page: Option<usize>,
    pub(super) requests: Vec<(String, Request)>,
}
