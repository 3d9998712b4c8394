#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

pub mod buckets;
pub mod const_fmt;
pub mod environment;
pub mod external;
pub mod functions;
pub mod grants;
pub mod names;
pub mod patterns;
pub mod queues;
pub mod routes;
pub mod secrets;
pub mod tables;
