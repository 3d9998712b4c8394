//! What the scenarios are told with: a running system, a WebSocket client, an HTTP client.
//!
//! The system is the real one: the synthesized template, the function binaries, and an
//! [engine] that runs them. Only where a scenario needs a stage to be slow, to fail or to
//! crash on request does it run the [scripted pipeline](script) instead of the reference pipeline.

mod client;
pub mod engine;
pub mod grants;
mod http;
pub mod plans;
pub mod script;
mod system;
mod timeout;
mod tls;
pub mod worker;

pub use client::{Client, Closed};
pub use engine::{Ability, skips};
pub use http::{Answer, Http};
pub use system::{Job, System};
