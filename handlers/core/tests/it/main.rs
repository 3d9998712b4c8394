//! The stores, the publisher and the runner on AWS in this process.

mod claims;
mod publisher;
mod runner;
