//! The functions: what triggers them, what they may do, what they are told.
//!
//! One declaration per function yields the trait impls that the compiler checks ([`Granted`],
//! [`HasEnvVar`]) and the [`FunctionSpec`] that infra-gen reads.
//!
//! [`Granted`]: crate::grants::Granted
//! [`HasEnvVar`]: crate::environment::HasEnvVar

use crate::{
    buckets::Objects,
    const_fmt::{ConstString, const_panic},
    environment::{Setting, WebSocketApi},
    grants::Grant,
    queues::{DeliveryQueue, JobQueue, Queue as _, QueueSpec},
    routes::HttpRoute,
    tables::{Connections, JobEvents, Jobs, Subscribers},
};

/// The longest that API Gateway waits for an integration, in seconds.
pub const INTEGRATION_LIMIT_SECONDS: u32 = 29;

/// What invokes a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Every route of the WebSocket API.
    WebSocketRoutes,
    /// The routes of the HTTP API that name the function: `HttpRoute::function`.
    HttpRoutes,
    /// Messages of a queue.
    Queue {
        /// The queue.
        queue: &'static QueueSpec,
        /// Messages of one invocation, at most.
        batch_size: u32,
    },
}

/// A function as the template declares it.
#[derive(Debug, PartialEq, Eq)]
pub struct FunctionSpec {
    /// The function's name; its crate and its binary are called the same.
    pub name: &'static str,
    /// What the function is for, in a sentence.
    pub description: &'static str,
    /// Memory in MiB; processor time grows with it.
    pub memory_mib: u32,
    /// Longest invocation, in seconds.
    pub timeout_seconds: u32,
    /// How long it goes on trying to send a message, in seconds; 0 when it sends none.
    pub retry_budget_seconds: u32,
    /// What invokes it.
    pub triggers: &'static [Trigger],
    /// What it may do.
    pub grants: &'static [Grant],
    /// What it is told beside the names of the resources it is granted.
    pub settings: &'static [Setting],
}

/// A function of the contract.
pub trait Function: 'static {
    /// How the template declares it.
    const SPEC: &'static FunctionSpec;
}

/// Every function, in the order of the template.
pub const ALL: &[&FunctionSpec] = &[
    WebSocketFunction::SPEC,
    JobsFunction::SPEC,
    WorkerFunction::SPEC,
    PipelineFunction::SPEC,
    DeliveryFunction::SPEC,
];

/// Declares a function: its type, what triggers it, what it may do, what it is told. Public so that
/// a product can declare functions of its own.
#[macro_export]
macro_rules! function {
    (
        #[doc = $description:literal]
        $function:ident = $name:literal {
            memory_mib: $memory:literal,
            timeout_seconds: $timeout:literal,
            retry_budget_seconds: $budget:literal,
            triggers: [$($trigger:expr),+ $(,)?],
            grants: {
                $($resource:ident: [$($operation:ident),+ $(,)?],)*
            },
            settings: [$($setting:ident),* $(,)?],
        }
    ) => {
        #[doc = $description]
        #[derive(Debug)]
        pub struct $function;

        impl $crate::functions::Function for $function {
            const SPEC: &'static $crate::functions::FunctionSpec =
                &$crate::functions::FunctionSpec {
                    name: $name,
                    description: $description.trim_ascii(),
                    memory_mib: $memory,
                    timeout_seconds: $timeout,
                    retry_budget_seconds: $budget,
                    triggers: &[$($trigger),+],
                    grants: &[$($(
                        <$crate::grants::$operation<$resource>
                            as $crate::grants::Operation>::GRANT,
                    )+)*],
                    settings: &[$(
                        <$crate::environment::$setting
                            as $crate::environment::SettingMarker>::SETTING,
                    )*],
                };
        }

        $(
            #[diagnostic::do_not_recommend]
            impl $crate::environment::HasEnvVar<$resource> for $function {}
            $(
                #[diagnostic::do_not_recommend]
                impl $crate::grants::Granted<$crate::grants::$operation<$resource>>
                    for $function
                {
                }
            )+
        )*
        $(
            #[diagnostic::do_not_recommend]
            impl $crate::environment::HasEnvVar<$crate::environment::$setting> for $function {}
        )*

        const _: () =
            $crate::functions::check(<$function as $crate::functions::Function>::SPEC);
    };
}

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
    /// Serves workers of their own: claim a job, its input, what happens to it.
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
    /// Redelivers messages, fans out to wide audiences, and looks after jobs that nothing runs.
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

/// Every route of the HTTP API is served by a function that API Gateway invokes.
const _: () = {
    let mut index = 0;
    while index < HttpRoute::ALL.len() {
        let function = HttpRoute::ALL[index].function();
        let mut is_invoked = false;
        let mut trigger = 0;
        while trigger < function.triggers.len() {
            is_invoked |= matches!(function.triggers[trigger], Trigger::HttpRoutes);
            trigger += 1;
        }
        if !is_invoked {
            const_panic(&[
                "the function `",
                function.name,
                "` serves the HTTP route `",
                HttpRoute::ALL[index].path(),
                "` but is not invoked for it: add Trigger::HttpRoutes to its triggers \
                 (contract/src/functions.rs)",
            ]);
        }
        index += 1;
    }
};

/// Refuses a function whose times do not go together with each other, or with what triggers it.
#[doc(hidden)]
#[track_caller]
pub const fn check(function: &FunctionSpec) {
    let timeout = ConstString::number(function.timeout_seconds);
    if function.retry_budget_seconds >= function.timeout_seconds {
        const_panic(&[
            "the function `",
            function.name,
            "` may go on sending for ",
            ConstString::number(function.retry_budget_seconds).text(),
            " seconds but is ended after ",
            timeout.text(),
            ": make its retry_budget_seconds less than its timeout_seconds \
             (contract/src/functions.rs)",
        ]);
    }
    let mut index = 0;
    while index < function.triggers.len() {
        match function.triggers[index] {
            Trigger::WebSocketRoutes | Trigger::HttpRoutes => {
                if function.timeout_seconds > INTEGRATION_LIMIT_SECONDS {
                    const_panic(&[
                        "the function `",
                        function.name,
                        "` serves routes and may run for ",
                        timeout.text(),
                        " seconds, but API Gateway gives up after ",
                        ConstString::number(INTEGRATION_LIMIT_SECONDS).text(),
                        ": make its timeout_seconds no more than that, or leave long work to a \
                         queue (contract/src/functions.rs)",
                    ]);
                }
            }
            Trigger::Queue { queue, .. } => {
                if queue.visibility_timeout_seconds < function.timeout_seconds {
                    const_panic(&[
                        "the queue `",
                        queue.name,
                        "` hides a received message for ",
                        ConstString::number(queue.visibility_timeout_seconds).text(),
                        " seconds, but its consumer `",
                        function.name,
                        "` may run for ",
                        timeout.text(),
                        ", and Lambda refuses such an event source mapping: make its \
                         visibility_timeout_seconds at least ",
                        timeout.text(),
                        " (contract/src/queues.rs)",
                    ]);
                }
            }
        }
        index += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_described_by_their_documentation() {
        assert_eq!(
            WebSocketFunction::SPEC.description,
            "Serves every route of the WebSocket API."
        );
    }

    #[test]
    fn no_function_holds_a_grant_twice() {
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
