//! The Lambda functions: their triggers, permissions and settings.

use typed_contract::{
    environment::WebSocketApi,
    function,
    functions::{Function as _, FunctionSpec, StackResources, Trigger, check_resources},
    queues::Queue as _,
};

use crate::{
    buckets::{self, Objects},
    environment::{AllowedOrigins, MaxSubscriptions, StagePace, WebSocketUrl},
    queues::{self, DeliveryQueue, JobQueue},
    tables::{self, Connections, JobEvents, Jobs, Subscribers},
};

/// All functions, in the order of the template.
pub const ALL: &[&FunctionSpec] = &[
    WebSocketFunction::SPEC,
    JobsFunction::SPEC,
    WorkerFunction::SPEC,
    PipelineFunction::SPEC,
    DeliveryFunction::SPEC,
];

function! {
    /// Serves every route of the WebSocket API.
    WebSocketFunction = "websocket" {
        memory_mib: 512,
        timeout_seconds: 10,
        retry_budget_seconds: 5,
        triggers: [Trigger::WebSocketRoutes],
        grants: {
            Connections: [DeleteItem, GetItem, PutItem, Query, UpdateItem],
            Subscribers: [DeleteItem, PutItem, UpdateItem],
            Jobs: [GetItem, UpdateItem],
            JobEvents: [PutItem, Query],
            WebSocketApi: [PostToConnection],
            DeliveryQueue: [SendMessage],
        },
        settings: [MaxSubscriptions, AllowedOrigins],
    }
}

function! {
    /// Serves the HTTP API: create a job, its status, its results, cancel.
    JobsFunction = "jobs" {
        memory_mib: 512,
        timeout_seconds: 15,
        retry_budget_seconds: 0,
        triggers: [Trigger::HttpRoutes],
        grants: {
            Jobs: [GetItem, PutItem, UpdateItem],
            JobEvents: [PutItem, Query],
            Objects: [GetObject, PutObject],
            JobQueue: [SendMessage],
            DeliveryQueue: [SendMessage],
        },
        settings: [WebSocketUrl],
    }
}

function! {
    /// Serves external workers: claim a job, fetch its input, post its events.
    WorkerFunction = "worker" {
        memory_mib: 512,
        timeout_seconds: 20,
        retry_budget_seconds: 5,
        triggers: [Trigger::HttpRoutes],
        grants: {
            Connections: [DeleteItem, Query, UpdateItem],
            Subscribers: [DeleteItem, Query, UpdateItem],
            Jobs: [GetItem, UpdateItem],
            JobEvents: [PutItem, Query],
            Objects: [GetObject, PutObject],
            WebSocketApi: [PostToConnection],
            DeliveryQueue: [SendMessage],
        },
        settings: [],
    }
}

function! {
    /// Runs the stages of a job and reports their progress.
    PipelineFunction = "pipeline" {
        memory_mib: 1769,
        timeout_seconds: 900,
        retry_budget_seconds: 10,
        triggers: [Trigger::Queue { queue: JobQueue::SPEC, batch_size: 1 }],
        grants: {
            Connections: [DeleteItem, Query, UpdateItem],
            Subscribers: [DeleteItem, Query, UpdateItem],
            Jobs: [GetItem, UpdateItem],
            JobEvents: [PutItem, Query],
            Objects: [GetObject, PutObject],
            WebSocketApi: [PostToConnection],
            JobQueue: [ChangeMessageVisibility, SendMessage],
            DeliveryQueue: [SendMessage],
        },
        settings: [StagePace],
    }
}

function! {
    /// Redelivers messages, fans out to large audiences, and recovers jobs whose runner died.
    DeliveryFunction = "delivery" {
        memory_mib: 512,
        timeout_seconds: 30,
        retry_budget_seconds: 15,
        triggers: [Trigger::Queue { queue: DeliveryQueue::SPEC, batch_size: 1 }],
        grants: {
            Connections: [DeleteItem, Query, UpdateItem],
            Subscribers: [DeleteItem, Query, UpdateItem],
            Jobs: [GetItem, UpdateItem],
            JobEvents: [PutItem, Query],
            WebSocketApi: [PostToConnection],
            JobQueue: [SendMessage],
            DeliveryQueue: [SendMessage],
        },
        settings: [],
    }
}

/// Requires that the stack has every resource that a function uses.
const _: () = check_resources(
    ALL,
    &StackResources {
        tables: tables::ALL,
        queues: queues::ALL,
        buckets: buckets::ALL,
    },
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn description_is_the_first_sentence_of_the_documentation() {
        assert_eq!(
            WebSocketFunction::SPEC.description,
            "Serves every route of the WebSocket API."
        );
    }

    #[test]
    fn functions_declare_each_grant_once() {
        for function in ALL {
            for (index, grant) in function.grants.iter().enumerate() {
                assert!(
                    !function.grants[..index].contains(grant),
                    "{}: {grant:?}",
                    function.name
                );
            }
        }
    }
}
