#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod config;
mod connections;
mod database;
mod denied;
mod environment;
mod item;
mod objects;
mod post;
mod queues;
pub mod telemetry;
mod warm;

pub use config::{Aws, load};
pub use connections::ConnectionsApi;
pub use database::{Database, ReadingBuilder, TransactionBuilder};
pub use denied::is_access_denied;
pub use environment::{Environment, MissingVariable};
pub use item::{Item, number, text};
pub use objects::Objects;
pub use post::{Post, PostError};
pub use queues::{Queues, SendError, VisibilityError};
