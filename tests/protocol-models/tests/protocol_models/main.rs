//! Models of the protocol. The tests explore all interleavings and faults.

mod abandonment;
mod delivery;
mod posts;
