#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod audience;
mod config;
mod connections;
mod database;
mod denied;
mod environment;
mod item;
mod lazy_client;
mod objects;
#[cfg(feature = "parameters")]
mod parameters;
mod post;
mod queues;
#[cfg(any(feature = "parameters", feature = "secrets"))]
mod secret_cache;
#[cfg(any(feature = "parameters", feature = "secrets"))]
mod secret_store;
#[cfg(any(feature = "parameters", feature = "secrets"))]
mod secret_value;
#[cfg(feature = "secrets")]
mod secrets;
mod signature;
pub mod telemetry;
mod warm;

pub use audience::AudienceApi;
pub use config::{Aws, LazyAws, load};
pub use connections::ConnectionsApi;
pub use database::{Database, ReadingBuilder, TransactionBuilder};
pub use denied::is_access_denied;
pub use environment::{Environment, MissingVariable};
pub use item::{Item, number, text};
pub use lazy_client::{AwsClient, LazyClient};
pub use objects::Objects;
#[cfg(feature = "parameters")]
pub use parameters::Parameters;
pub use post::{Post, PostError};
pub use queues::{Queues, SendError, VisibilityError};
#[cfg(any(feature = "parameters", feature = "secrets"))]
pub use secret_value::{SecretError, SecretValue};
#[cfg(feature = "secrets")]
pub use secrets::Secrets;
