//! Sending messages to connections: in order, bounded in time and concurrency, with retries.
//!
//! [`deliver`] sends one message to one connection and follows a
//! [`RetryPolicy`](crate::retry::RetryPolicy). A [`Sender`] does that for many connections concurrently,
//! with one message at a time for each connection. A [`Publisher`] writes a job's messages to the tables
//! and sends them to the job's subscribers. A [`QueueWaker`] notifies workers of jobs that can be claimed.

mod account_throttle;
mod attempt;
mod connection_maintainer;
mod deferred_fan_out;
mod known_audience;
mod mailbox;
mod owner_feed;
mod publisher;
mod queue_waker;
pub(crate) mod redelivery;
mod sender;
mod stats;
mod stores;
mod terminal_message;
pub(crate) mod webhook_task;
mod write_priority;

pub use attempt::{Delivery, Destination, deliver};
pub use connection_maintainer::{ConnectionMaintainer, MaintainsConnections};
pub use mailbox::Outgoing;
pub use publisher::{LeaseStatus, PublishError, Publisher, Publishes, ReportOutcome};
pub use queue_waker::{QueueWaker, WAKE_COUNT, WakesWorkers};
pub use sender::{DeliveryObserver, Outcome, Sender, Unfinished};
pub use stores::Stores;
pub use terminal_message::{MessageHeader, terminal_message};
