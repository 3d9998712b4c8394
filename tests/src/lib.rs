//! The library of the scenarios: a running system, WebSocket and HTTP clients, an external worker.
//!
//! The system is the real one: the synthesized template, the function binaries, and an
//! [engine] that runs them. A scenario that needs a slow, failing or crashing stage runs the
//! [scripted pipeline](script) instead of the reference pipeline.

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
pub use http::{Http, Response};
pub use system::{Job, System};
