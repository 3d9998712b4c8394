#![doc = include_str!("../README.md")]

pub mod client;
pub mod engine;
pub mod executables;
pub mod grants;
pub mod http;
mod log;
mod macros;
pub mod run;
pub mod scenarios;
pub mod system;
pub mod tested_product;
mod timeout;
mod tls;
mod work_queue;
pub mod worker;

pub use client::{Client, Closed};
pub use engine::{Ability, Engine, skips};
pub use http::{Http, Response};
pub use run::Scenario;
pub use system::{Job, System};
pub use tested_product::TestedProduct;
