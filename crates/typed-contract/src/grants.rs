//! The kinds of permission, and the trait that records which function holds which.
//!
//! A grant is an operation on a resource, such as `PutItem<Connections>`. Functions declare their
//! grants with `function!`; clients of AWS require them as trait bounds, and a stack turns the same
//! declaration into IAM statements.

use std::marker::PhantomData;

use crate::{
    buckets::{Bucket, BucketSpec},
    const_fmt::{const_panic, equal, position},
    environment::{Resource, WebSocketApi},
    external::ExternalSpec,
    patterns,
    queues::{Queue, QueueSpec},
    secrets::{Parameter, ParameterSpec, Secret, SecretSpec},
    tables::{Index, Table, TableSpec},
};

/// The function `Self` holds the grant `G`.
///
/// ```
/// use typed_contract::{functions::Trigger, grants::{GetItem, Granted}};
///
/// # typed_contract::table! {
/// #     /// What customers have ordered.
/// #     Orders = "orders" in "ORDERS_TABLE" {
/// #         OrderKey { order_id: String },
/// #         time_to_live: expires_at: Number,
/// #     }
/// # }
///
/// typed_contract::function! {
///     /// Serves the orders.
///     OrdersFunction = "orders" {
///         memory_mib: 256,
///         timeout_seconds: 10,
///         retry_budget_seconds: 0,
///         triggers: [Trigger::HttpRoutes],
///         grants: {
///             Orders: [GetItem],
///         },
///         settings: [],
///     }
/// }
///
/// fn read<F: Granted<GetItem<Orders>>>() {}
///
/// read::<OrdersFunction>();
/// ```
///
/// An operation that the function does not declare is not granted, nor is the operation on another
/// resource:
///
/// ```compile_fail,E0277
/// # use typed_contract::{functions::Trigger, grants::{GetItem, Granted, PutItem}};
/// # typed_contract::table! {
/// #     /// What customers have ordered.
/// #     Orders = "orders" in "ORDERS_TABLE" {
/// #         OrderKey { order_id: String },
/// #         time_to_live: expires_at: Number,
/// #     }
/// # }
/// # typed_contract::function! {
/// #     /// Serves the orders.
/// #     OrdersFunction = "orders" {
/// #         memory_mib: 256,
/// #         timeout_seconds: 10,
/// #         retry_budget_seconds: 0,
/// #         triggers: [Trigger::HttpRoutes],
/// #         grants: {
/// #             Orders: [GetItem],
/// #         },
/// #         settings: [],
/// #     }
/// # }
/// fn write<F: Granted<PutItem<Orders>>>() {}
///
/// write::<OrdersFunction>();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not granted `{G}`",
    label = "this call needs the grant `{G}`",
    note = "grants are part of the function's declaration: add the operation to the resource there, \
            then run `cargo run -p infra-gen -- synth`, which writes the function's IAM policy"
)]
pub trait Granted<G> {}

/// An operation on a resource that can be granted to a function.
pub trait Operation {
    /// The resource that the operation acts on.
    type Resource: Resource;
    /// The grant as a value.
    const GRANT: Grant;
}

/// A grant as a value, from which an IAM statement can be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The IAM action, such as `dynamodb:GetItem`.
    pub action: &'static str,
    /// The resource of the IAM statement.
    pub on: GrantedOn,
}

/// The resource of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantedOn {
    /// A table.
    Table(&'static TableSpec),
    /// A table and the name of one of its indexes.
    Index(&'static TableSpec, &'static str),
    /// A queue.
    Queue(&'static QueueSpec),
    /// The objects of a bucket.
    Bucket(&'static BucketSpec),
    /// `@connections` of the WebSocket API, restricted to an HTTP method.
    Connections(&'static str),
    /// A secret of Secrets Manager.
    Secret(&'static SecretSpec),
    /// A parameter of SSM Parameter Store.
    Parameter(&'static ParameterSpec),
    /// A resource of another service that the stack does not create.
    External(&'static ExternalSpec),
}

/// No resource. Every function holds every operation on two of these, which grants nothing but improves
/// errors: with at least two candidates, the compiler does not infer a resource that the function is
/// granted as the one that a call needs, and so reports the missing grant instead of a mismatch of the
/// call's arguments.
#[derive(Debug)]
#[doc(hidden)]
pub struct Undecided<const CANDIDATE: usize>;

macro_rules! operations {
    ($kind:ident, $variant:ident: $($(#[$documentation:meta])* $name:ident = $action:literal,)*) => {
        $(
            $(#[$documentation])*
            #[derive(Debug)]
            pub struct $name<R>(PhantomData<fn() -> R>);

            impl<R: $kind> Operation for $name<R> {
                type Resource = R;
                const GRANT: Grant = Grant {
                    action: $action,
                    on: GrantedOn::$variant(R::SPEC),
                };
            }

            #[diagnostic::do_not_recommend]
            impl<F> Granted<$name<Undecided<0>>> for F {}
            #[diagnostic::do_not_recommend]
            impl<F> Granted<$name<Undecided<1>>> for F {}
        )*
    };
}

operations! { Table, Table:
    /// `GetItem`: read one item.
    GetItem = "dynamodb:GetItem",
    /// `PutItem`, alone or in a transaction.
    PutItem = "dynamodb:PutItem",
    /// `UpdateItem`, alone or in a transaction.
    UpdateItem = "dynamodb:UpdateItem",
    /// `DeleteItem`, alone or in a transaction.
    DeleteItem = "dynamodb:DeleteItem",
    /// `Query`: read the items of a partition.
    Query = "dynamodb:Query",
}

operations! { Queue, Queue:
    /// `SendMessage`: enqueue a message.
    SendMessage = "sqs:SendMessage",
    /// `ChangeMessageVisibility`: change the visibility timeout of a received message.
    ChangeMessageVisibility = "sqs:ChangeMessageVisibility",
}

operations! { Bucket, Bucket:
    /// `GetObject`: read an object.
    GetObject = "s3:GetObject",
    /// `PutObject`: write an object, at once or in parts (`CreateMultipartUpload`, `UploadPart`,
    /// `CompleteMultipartUpload`).
    PutObject = "s3:PutObject",
    /// `ListParts`: list the parts of a multipart upload.
    ListParts = "s3:ListMultipartUploadParts",
    /// `AbortMultipartUpload`: end a multipart upload and delete its parts.
    AbortMultipartUpload = "s3:AbortMultipartUpload",
}

operations! { Secret, Secret:
    /// `GetSecretValue`: read the current value of a secret.
    GetSecretValue = "secretsmanager:GetSecretValue",
}

operations! { Parameter, Parameter:
    /// `GetParameter`: read the current value of a parameter, decrypted.
    GetParameter = "ssm:GetParameter",
}

/// `Query` on the index `I`: read the items of a partition.
#[derive(Debug)]
pub struct QueryIndex<I>(PhantomData<fn() -> I>);

impl<I: Index> Operation for QueryIndex<I> {
    type Resource = I;
    const GRANT: Grant = Grant {
        action: "dynamodb:Query",
        on: GrantedOn::Index(<I::Table as Table>::SPEC, I::SPEC.name),
    };
}

macro_rules! connection_operations {
    ($($(#[$documentation:meta])* $name:ident = $method:literal,)*) => {
        $(
            $(#[$documentation])*
            #[derive(Debug)]
            pub struct $name<R>(PhantomData<fn() -> R>);

            impl Operation for $name<WebSocketApi> {
                type Resource = WebSocketApi;
                const GRANT: Grant = Grant {
                    action: "execute-api:ManageConnections",
                    on: GrantedOn::Connections($method),
                };
            }
        )*
    };
}

connection_operations! {
    /// Send a message to a connection.
    PostToConnection = "POST",
    /// Close a connection.
    DeleteConnection = "DELETE",
}

/// The names of the operations in this module.
const OPERATIONS: &[&str] = &[
    "AbortMultipartUpload",
    "ChangeMessageVisibility",
    "DeleteConnection",
    "DeleteItem",
    "GetItem",
    "GetObject",
    "GetParameter",
    "GetSecretValue",
    "ListParts",
    "PostToConnection",
    "PutItem",
    "PutObject",
    "Query",
    "QueryIndex",
    "SendMessage",
    "UpdateItem",
];

/// Rejects an operation whose action IAM does not know as one, or whose name `function!` knows already.
#[doc(hidden)]
#[track_caller]
pub const fn check_external(name: &str, action: &str) {
    if position(name, OPERATIONS).is_some() {
        const_panic(&[
            "the operation `",
            name,
            "` has the name of an operation of typed-contract: rename it",
        ]);
    }
    let bytes = action.as_bytes();
    let mut colons = 0;
    let mut is_valid = !bytes.is_empty() && bytes[0] != b':' && bytes[bytes.len() - 1] != b':';
    let mut index = 0;
    while index < bytes.len() {
        if bytes[index] == b':' {
            colons += 1;
        } else {
            is_valid = is_valid && (bytes[index].is_ascii_alphanumeric() || bytes[index] == b'-');
        }
        index += 1;
    }
    if !is_valid || colons != 1 {
        const_panic(&[
            "the operation `",
            name,
            "` is the action `",
            action,
            "`: write one IAM action, such as `sns:Publish`, without a wildcard",
        ]);
    }
}

/// The grant of an action on a resource of its service.
#[doc(hidden)]
#[track_caller]
pub const fn external(action: &'static str, on: &'static ExternalSpec) -> Grant {
    let service = patterns::check_arn(on.name, on.arn).service;
    // A service can have several prefixes of actions: kafka and kafka-cluster, iot and iotjobsdata.
    let is_of_service =
        action.len() > service.len() && equal(action.split_at(service.len()).0, service);
    if !is_of_service {
        const_panic(&[
            "the action `",
            action,
            "` cannot be granted on `",
            on.name,
            "`, whose ARN is `",
            on.arn,
            "`: they are of different services",
        ]);
    }
    Grant {
        action,
        on: GrantedOn::External(on),
    }
}

/// The type of an operation on a resource by the operation's name in `function!`: one of this module, or one
/// in scope that was declared with `external!`.
#[doc(hidden)]
#[macro_export]
macro_rules! granted_operation {
    (AbortMultipartUpload $resource:path) => { $crate::grants::AbortMultipartUpload<$resource> };
    (ChangeMessageVisibility $resource:path) => { $crate::grants::ChangeMessageVisibility<$resource> };
    (DeleteConnection $resource:path) => { $crate::grants::DeleteConnection<$resource> };
    (DeleteItem $resource:path) => { $crate::grants::DeleteItem<$resource> };
    (GetItem $resource:path) => { $crate::grants::GetItem<$resource> };
    (GetObject $resource:path) => { $crate::grants::GetObject<$resource> };
    (GetParameter $resource:path) => { $crate::grants::GetParameter<$resource> };
    (GetSecretValue $resource:path) => { $crate::grants::GetSecretValue<$resource> };
    (ListParts $resource:path) => { $crate::grants::ListParts<$resource> };
    (PostToConnection $resource:path) => { $crate::grants::PostToConnection<$resource> };
    (PutItem $resource:path) => { $crate::grants::PutItem<$resource> };
    (PutObject $resource:path) => { $crate::grants::PutObject<$resource> };
    (Query $resource:path) => { $crate::grants::Query<$resource> };
    (QueryIndex $resource:path) => { $crate::grants::QueryIndex<$resource> };
    (SendMessage $resource:path) => { $crate::grants::SendMessage<$resource> };
    (UpdateItem $resource:path) => { $crate::grants::UpdateItem<$resource> };
    ($operation:ident $resource:path) => { $operation<$resource> };
}
