//! AWS clients whose methods require the grants of their function.
//!
//! Each wrapper holds one SDK client and the physical names of the function's resources. Its
//! methods return the SDK's own fluent builders with the name filled in, and are bounded by the
//! grant that they need: a call that the function's IAM policy would refuse does not compile.

mod config;
mod connections;
mod database;
mod denied;
mod environment;
mod item;
mod objects;
mod post;
mod queues;
mod warm;

pub use config::{Aws, load};
pub use connections::ConnectionsApi;
pub use database::{Database, ReadingBuilder, TransactionBuilder};
pub use denied::is_access_denied;
pub use environment::{Environment, MissingVariable};
pub use item::{Item, number, text};
pub use objects::Objects;
pub use post::{Post, PostError};
pub use queues::{Queues, SendError};
