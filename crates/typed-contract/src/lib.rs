#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

pub mod buckets;
pub mod const_fmt;
pub mod environment;
pub mod functions;
pub mod grants;
pub mod names;
pub mod queues;
pub mod routes;
pub mod tables;
