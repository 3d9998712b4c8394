//! The kinds of permission there are, and which function holds which.
//!
//! A grant is an operation on a resource, `PutItem<Connections>`. Functions declare theirs in
//! [`crate::functions`]; the clients in `handlers-core` ask for them as trait bounds, and
//! `infra-gen` turns the same declaration into IAM statements.

use std::marker::PhantomData;

use crate::{
    buckets::{Bucket, BucketSpec},
    environment::{Resource, WebSocketApi},
    functions::Function,
    queues::{Queue, QueueSpec},
    tables::{Index, Table, TableSpec},
};

/// The function `Self` holds the grant `G`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not granted `{G}`",
    label = "this call needs the grant `{G}`",
    note = "grants are declared with the function in contract/src/functions.rs: add the operation \
            to the resource there, then run `cargo run -p infra-gen -- synth`, which writes the \
            function's IAM policy"
)]
pub trait Granted<G> {}

/// An operation that can be granted.
pub trait Operation {
    /// What the operation is done to.
    type Resource: Resource;
    /// The grant as infra-gen reads it.
    const GRANT: Grant;
}

/// A grant as a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The IAM action, `dynamodb:GetItem`.
    pub action: &'static str,
    /// What it is granted on.
    pub on: GrantedOn,
}

/// What a grant is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantedOn {
    /// A table.
    Table(&'static TableSpec),
    /// An index of a table, by the index's name.
    Index(&'static TableSpec, &'static str),
    /// A queue.
    Queue(&'static QueueSpec),
    /// The objects of a bucket.
    Bucket(&'static BucketSpec),
    /// The connections of the WebSocket API, with the HTTP method of `@connections`.
    Connections(&'static str),
}

/// No resource. Every function holds every operation on it, which means nothing, but keeps the
/// compiler from taking a function's only grant of an operation for the one that a call needs: it
/// would complain about the call's arguments instead of the missing grant.
#[derive(Debug)]
#[doc(hidden)]
pub struct Undecided;

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
            impl<F: Function> Granted<$name<Undecided>> for F {}
        )*
    };
}

operations! { Table, Table:
    /// Read one item.
    GetItem = "dynamodb:GetItem",
    /// Write one item, alone or in a transaction.
    PutItem = "dynamodb:PutItem",
    /// Change one item, alone or in a transaction.
    UpdateItem = "dynamodb:UpdateItem",
    /// Delete one item, alone or in a transaction.
    DeleteItem = "dynamodb:DeleteItem",
    /// Read the items of a partition.
    Query = "dynamodb:Query",
}

operations! { Queue, Queue:
    /// Put a message on a queue.
    SendMessage = "sqs:SendMessage",
    /// Change how long a received message stays hidden.
    ChangeMessageVisibility = "sqs:ChangeMessageVisibility",
}

operations! { Bucket, Bucket:
    /// Read an object.
    GetObject = "s3:GetObject",
    /// Write an object.
    PutObject = "s3:PutObject",
}

/// Read the items of a partition of the index `I`.
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
