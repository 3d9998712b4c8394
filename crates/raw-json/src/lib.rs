#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod tokens;
mod value;

pub use value::RawJson;
