//! Sending messages to connections: in order, bounded, retried, never in the way of the job.
//!
//! [`deliver`] sends one message to one connection, however long its [`Budget`] lasts. A
//! [`Sender`] does that for many connections at once, one message at a time each. A [`Publisher`]
//! writes a job's messages to the tables first and knows whom to send them to.

mod attempt;
mod brake;
mod budget;
mod ending;
mod handover;
mod housekeeper;
mod known_audience;
mod mailbox;
mod post;
mod publisher;
mod sender;
mod stores;
mod tally;
mod way;

pub use attempt::{Delivery, Destination, deliver};
pub use budget::Budget;
pub use ending::{About, ending_message};
pub use housekeeper::{Housekeeper, KeepsHouse};
pub use mailbox::Outgoing;
pub use post::{Post, PostError};
pub use publisher::{Advanced, Heard, PublishError, Publisher, Publishes};
pub use sender::{Aftermath, Outcome, Sender, Unfinished};
pub use stores::Stores;
pub use tally::Counts;
