//! The stores, the publisher, the runner and the settling of unattended jobs on AWS in this process.

mod claims;
mod external;
mod publisher;
mod runner;
mod unattended;
