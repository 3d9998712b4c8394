//! Models of the protocol. The tests explore all interleavings and faults.

mod abandonment;
mod checkpoints;
mod delivery;
mod owner_feed;
mod owners;
mod polling;
mod posts;
mod waiting;
mod wake_ups;
mod worker_checkpoints;
