#![doc = include_str!("../README.md")]

mod addresses;
mod client;
mod error;
mod resolver;

pub use addresses::{Addresses, is_public};
pub use client::{HttpsClient, Limits, Response};
pub use error::OutboundError;
pub use resolver::{Resolve, SystemResolver};
