//! The Lambda functions: their triggers, permissions and settings.

use typed_contract::{
    environment::WebSocketApi,
    function,
    functions::{Function as _, FunctionSpec, StackResources, Trigger, check_resources},
    queues::Queue as _,
};

use crate::{
    buckets::{self, Objects},
    environment::{
        AllowedOrigins, JobLimitRules, JobRetentionDays, MaxRunningPerOwner, MaxSubscriptions,
        OwnerTokens, WebSocketUrl, Webhooks, WorkerQueues,
    },
    queues::{self, DeliveryQueue, JobQueue, WebhookQueue},
    tables::{self, Connections, JobEvents, Jobs, Subscribers, WorkQueues},
    webhook_secret::WebhookSecret,
};

/// The functions of every product, without the pipeline: a product declares that one itself, with
/// [`pipeline_function!`](crate::pipeline_function).
pub const ALL: &[&FunctionSpec] = &[
    WebSocketFunction::SPEC,
    JobsFunction::SPEC,
    WorkerFunction::SPEC,
    DeliveryFunction::SPEC,
    WebhooksFunction::SPEC,
];

/// The name of a product's pipeline function.
pub const PIPELINE: &str = "pipeline";

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
            WorkQueues: [DeleteItem, GetItem, PutItem, UpdateItem],
            WebSocketApi: [PostToConnection],
            DeliveryQueue: [SendMessage],
        },
        settings: [MaxSubscriptions, AllowedOrigins, WorkerQueues, OwnerTokens],
    }
}

function! {
    /// Serves the HTTP API: create a job, upload its input, its status, its results, cancel.
    JobsFunction = "jobs" {
        memory_mib: 512,
        timeout_seconds: 15,
        retry_budget_seconds: 0,
        triggers: [Trigger::HttpRoutes],
        grants: {
            Jobs: [GetItem, PutItem, UpdateItem],
            JobEvents: [PutItem, Query],
            WorkQueues: [DeleteItem, PutItem, Query, UpdateItem],
            Objects: [GetObject, ListParts, PutObject],
            WebSocketApi: [PostToConnection],
            JobQueue: [SendMessage],
            DeliveryQueue: [SendMessage],
        },
        settings: [WebSocketUrl, JobRetentionDays, JobLimitRules, WorkerQueues, OwnerTokens, Webhooks],
    }
}

function! {
    /// Serves external workers: claim a job, fetch its input, post its events, hand it back.
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
            WorkQueues: [DeleteItem, GetItem, PutItem, Query, UpdateItem],
            Objects: [GetObject, PutObject],
            WebSocketApi: [PostToConnection],
            DeliveryQueue: [SendMessage],
        },
        settings: [WebSocketUrl, WorkerQueues, MaxRunningPerOwner],
    }
}

/// Declares the function that runs a product's jobs. It has the trigger and the grants that running jobs
/// takes; `grants` and `settings` are those of the product's stages beside them. The documentation's first
/// sentence is the function's description in the template.
///
/// Lambda assigns processor time in proportion to `memory_mib`: one whole processor at 1,769 MiB.
/// `timeout_seconds` is at most 900, Lambda's limit. A run hands its job back to the queue 20 seconds before
/// it, and the next run continues with the stage that was interrupted.
///
/// `ephemeral_storage_mib`, after `memory_mib`, is the size of the folder `/tmp`, in which `JobInput::file`
/// and stages keep files: 512, unless it is declared, to 10,240. Lambda charges for what is beyond 512 MiB by
/// GB-second.
///
/// ```
/// use typed_contract::functions::Function as _;
///
/// typed_contract::table! {
///     /// The totals of each import.
///     Totals = "totals" in "TOTALS_TABLE" {
///         TotalsKey { import_id: String },
///         time_to_live: expires_at: Number,
///     }
/// }
///
/// stagecast_contract::pipeline_function! {
///     /// Imports files.
///     PipelineFunction {
///         memory_mib: 1024,
///         timeout_seconds: 900,
///         grants: {
///             Totals: [PutItem],
///         },
///         settings: [],
///     }
/// }
///
/// assert_eq!(PipelineFunction::SPEC.name, "pipeline");
/// ```
///
/// A timeout that Lambda does not allow does not compile:
///
/// ```compile_fail,E0080
/// stagecast_contract::pipeline_function! {
///     /// Imports files.
///     PipelineFunction {
///         memory_mib: 1024,
///         timeout_seconds: 3600,
///         grants: {},
///         settings: [],
///     }
/// }
/// ```
#[macro_export]
macro_rules! pipeline_function {
    (
        #[doc = $description:literal]
        $function:ident {
            memory_mib: $memory:literal,
            $(ephemeral_storage_mib: $storage:literal,)?
            timeout_seconds: $timeout:literal,
            grants: {
                $($resource:path: [$($operation:ident),+ $(,)?],)*
            },
            settings: [$($setting:path),* $(,)?],
        }
    ) => {
        $crate::typed_contract::function! {
            #[doc = $description]
            $function = "pipeline" {
                memory_mib: $memory,
                $(ephemeral_storage_mib: $storage,)?
                timeout_seconds: $timeout,
                retry_budget_seconds: 10,
                triggers: [$crate::typed_contract::functions::Trigger::Queue {
                    queue: <$crate::queues::JobQueue as $crate::typed_contract::queues::Queue>::SPEC,
                    batch_size: 1,
                }],
                grants: {
                    $crate::tables::Connections: [DeleteItem, Query, UpdateItem],
                    $crate::tables::Subscribers: [DeleteItem, Query, UpdateItem],
                    $crate::tables::Jobs: [GetItem, UpdateItem],
                    $crate::tables::JobEvents: [PutItem, Query],
                    $crate::buckets::Objects: [GetObject, PutObject],
                    $crate::typed_contract::environment::WebSocketApi: [PostToConnection],
                    $crate::queues::JobQueue: [ChangeMessageVisibility, SendMessage],
                    $crate::queues::DeliveryQueue: [SendMessage],
                    $($resource: [$($operation),+],)*
                },
                settings: [$($setting),*],
            }
        }
    };
}

function! {
    /// Redelivers messages, fans out to large audiences, and recovers jobs whose runner or client died.
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
            WorkQueues: [DeleteItem, PutItem, Query, UpdateItem],
            Objects: [AbortMultipartUpload],
            WebSocketApi: [PostToConnection],
            JobQueue: [SendMessage],
            DeliveryQueue: [SendMessage],
            WebhookQueue: [SendMessage],
        },
        settings: [MaxRunningPerOwner],
    }
}

function! {
    /// Posts webhooks, with retries.
    WebhooksFunction = "webhooks" {
        memory_mib: 512,
        timeout_seconds: 40,
        retry_budget_seconds: 0,
        triggers: [Trigger::Queue { queue: WebhookQueue::SPEC, batch_size: 10 }],
        grants: {
            Jobs: [GetItem],
            JobEvents: [Query],
            WebhookSecret: [GetSecretValue],
            WebhookQueue: [ChangeMessageVisibility],
        },
        settings: [Webhooks],
    }
}

/// The resources of every product.
pub const RESOURCES: StackResources = StackResources {
    tables: tables::ALL,
    queues: queues::ALL,
    buckets: buckets::ALL,
};

/// Requires that the stack has every resource that a function uses.
const _: () = check_resources(ALL, &[RESOURCES]);

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
