//! The protocol as models, all of whose interleavings and faults are explored.

mod delivery;
mod posts;
