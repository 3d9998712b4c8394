//! What the operator's commands call, as grants. They are types like those of the Lambda functions, so that the stores
//! of `stagecast-core` accept them, and a command that reads cannot write. No stack has a function of them: the
//! permissions are those of the operator's credentials.

use stagecast_contract::{
    buckets::Objects,
    queues::{DeliveryQueue, JobQueue},
    tables::{JobEvents, Jobs, Subscribers, WorkQueues},
};
use typed_contract::{
    environment::HasEnvVar,
    functions::{DEFAULT_EPHEMERAL_STORAGE_MIB, Function, FunctionSpec},
    grants::{Granted, Operation},
};

/// Declares a caller of AWS that is no Lambda function.
macro_rules! caller {
    (
        #[doc = $description:literal]
        $caller:ident = $name:literal {
            $($resource:path: [$($operation:ident),+ $(,)?],)*
        }
    ) => {
        #[doc = $description]
        #[derive(Debug)]
        pub struct $caller;

        impl Function for $caller {
            const SPEC: &'static FunctionSpec = &FunctionSpec {
                name: $name,
                description: $description.trim_ascii(),
                // Nothing reads the properties of a Lambda function.
                memory_mib: 0,
                ephemeral_storage_mib: DEFAULT_EPHEMERAL_STORAGE_MIB,
                timeout_seconds: 0,
                retry_budget_seconds: 0,
                triggers: &[],
                grants: &[$($(
                    <typed_contract::granted_operation!($operation $resource) as Operation>::GRANT,
                )+)*],
                settings: &[],
            };
        }

        $(
            impl HasEnvVar<$resource> for $caller {}
            $(impl Granted<typed_contract::granted_operation!($operation $resource)> for $caller {})+
        )*
    };
}

caller! {
    /// Reads jobs: the commands `list`, `show` and `watch`.
    Viewer = "operator-viewer" {
        Jobs: [GetItem],
        JobEvents: [Query],
        WorkQueues: [Query],
        Subscribers: [Query],
    }
}

caller! {
    /// Changes jobs: the commands `cancel` and `retry`.
    Manager = "operator-manager" {
        Jobs: [GetItem, PutItem, UpdateItem],
        JobEvents: [PutItem, Query],
        WorkQueues: [DeleteItem, PutItem, UpdateItem],
        Objects: [GetObject, PutObject],
        JobQueue: [SendMessage],
        DeliveryQueue: [SendMessage],
    }
}
