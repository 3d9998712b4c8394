//! The protocol as state machines without input and output: they receive messages and times, and say what to do
//! next. [`Watch`](crate::Watch) and the external worker drive them.
//!
//! Times are durations since any fixed time, so that tests own them.

mod posts;
mod sequence;
mod watcher;

pub use posts::{Accepted, Lease, Posts, Ticket};
pub use sequence::Sequence;
pub use watcher::{Action, ConnectionId, WatchAccess, WatchSettings, Watcher};
