//! The Lambda functions: their triggers, permissions and environment variables.
//!
//! One declaration per function yields the trait impls that the compiler checks ([`Granted`],
//! [`HasEnvVar`]) and the [`FunctionSpec`] that infra-gen reads.
//!
//! [`Granted`]: crate::grants::Granted
//! [`HasEnvVar`]: crate::environment::HasEnvVar

use crate::{
    buckets::{self, Objects},
    const_fmt::{ConstString, const_panic, equal},
    environment::{Setting, WebSocketApi},
    grants::{Grant, GrantedOn},
    queues::{self, DeliveryQueue, JobQueue, Queue as _, QueueSpec},
    tables::{self, Connections, JobEvents, Jobs, Subscribers},
};

/// API Gateway's timeout for an integration, in seconds.
pub const INTEGRATION_LIMIT_SECONDS: u32 = 29;

/// An event source of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Every route of the WebSocket API.
    WebSocketRoutes,
    /// The routes of the HTTP API for which `HttpRoute::function` returns this function.
    HttpRoutes,
    /// The messages of a queue.
    Queue {
        /// The queue that Lambda polls.
        queue: &'static QueueSpec,
        /// Maximum number of messages per invocation.
        batch_size: u32,
    },
}

/// The properties of a function in the template.
#[derive(Debug, PartialEq, Eq)]
pub struct FunctionSpec {
    /// The function's name, which is also the name of its crate and its binary.
    pub name: &'static str,
    /// The function's description in the template: the first sentence of its documentation.
    pub description: &'static str,
    /// Memory in MiB. Lambda assigns CPU time in proportion to it.
    pub memory_mib: u32,
    /// Timeout of an invocation, in seconds.
    pub timeout_seconds: u32,
    /// Time limit for sending one message including its retries, in seconds; 0 if the function
    /// sends none.
    pub retry_budget_seconds: u32,
    /// The event sources of the function.
    pub triggers: &'static [Trigger],
    /// The permissions of the function.
    pub grants: &'static [Grant],
    /// The settings that the function gets as environment variables, in addition to the names of
    /// the resources that it is granted.
    pub settings: &'static [Setting],
}

/// A Lambda function that is declared with `function!`.
pub trait Function: 'static {
    /// The properties of the function in the template.
    const SPEC: &'static FunctionSpec;
}

/// All functions, in the order of the template.
pub const ALL: &[&FunctionSpec] = &[
    WebSocketFunction::SPEC,
    JobsFunction::SPEC,
    WorkerFunction::SPEC,
    PipelineFunction::SPEC,
    DeliveryFunction::SPEC,
];

/// Declares a function: its type, triggers, permissions and settings. Public so that a product can
/// declare additional functions.
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
const _: () = {
    let mut index = 0;
    while index < ALL.len() {
        let mut grant = 0;
        while grant < ALL[index].grants.len() {
            check_resource(ALL[index], ALL[index].grants[grant].on);
            grant += 1;
        }
        let mut trigger = 0;
        while trigger < ALL[index].triggers.len() {
            if let Trigger::Queue { queue, .. } = ALL[index].triggers[trigger] {
                check_resource(ALL[index], GrantedOn::Queue(queue));
            }
            trigger += 1;
        }
        index += 1;
    }
};

/// Rejects a resource that is declared but is not in the stack.
#[track_caller]
const fn check_resource(function: &FunctionSpec, resource: GrantedOn) {
    macro_rules! is_in {
        ($all:expr, $name:expr) => {{
            let mut index = 0;
            while index < $all.len() && !equal($all[index].name, $name) {
                index += 1;
            }
            index < $all.len()
        }};
    }
    let (kind, name, is_listed) = match resource {
        GrantedOn::Table(table) | GrantedOn::Index(table, _) => {
            ("table", table.name, is_in!(tables::ALL, table.name))
        }
        GrantedOn::Queue(queue) => ("queue", queue.name, is_in!(queues::ALL, queue.name)),
        GrantedOn::Bucket(bucket) => ("bucket", bucket.name, is_in!(buckets::ALL, bucket.name)),
        GrantedOn::Connections(_) => return,
    };
    if !is_listed {
        const_panic(&[
            "the function `",
            function.name,
            "` uses the ",
            kind,
            " `",
            name,
            "`, which the stack does not have: add it to ALL (contract/src/",
            kind,
            "s.rs)",
        ]);
    }
}

/// Rejects a function whose timeout does not fit its time limit for sending or its triggers.
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
