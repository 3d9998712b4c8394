//! The items of the tables as Rust types.

mod connection;
mod creation;
mod event;
mod item;
mod job;
mod replay_allowance;
mod sent_range;
mod snapshot;
mod subscriber;
mod terminal_state;

pub use connection::{Connection, ConnectionStatus, InvalidConnection, PendingReply};
pub use creation::Creation;
pub use event::Event;
pub use item::InvalidItem;
pub use job::Job;
pub use replay_allowance::{ReplayAllowance, ReplayLimited};
pub use sent_range::SentRange;
pub use subscriber::Subscriber;
pub use terminal_state::TerminalState;
