//! The protocol as models, all of whose interleavings and faults are explored.

mod abandonment;
mod delivery;
mod posts;
