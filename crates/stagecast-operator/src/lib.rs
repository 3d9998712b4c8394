//! What an operator does with the jobs of a stack, with the operator's own AWS credentials: list, show, cancel,
//! retry, and the dead letters. The command line is in `stagecast-infra`.
//!
//! | to change | look in |
//! | --- | --- |
//! | the tables, queues and the bucket that an operator uses, and what each command is allowed to call | [`callers`], [`resources`] |
//! | the lists of jobs, and what they read | [`list`] |
//! | everything about one job | [`details`] |
//! | cancellations | [`Operator::cancel`] |
//! | a job that runs again | [`retry`] |
//! | messages that were not processed | [`dead_letters`] |
//! | the functions' log records | [`logs`] |
//!
//! All writes are those of the stack's functions: the stores, conditions and queue messages of `stagecast-core`. So an
//! operator cannot break a rule that the functions keep.

pub mod callers;
pub mod dead_letters;
pub mod details;
mod error;
pub mod list;
pub mod logs;
mod operator;
pub mod resources;
pub mod retry;
pub mod summary;
#[cfg(test)]
mod tests;

pub use error::OperatorError;
pub use operator::Operator;
pub use stagecast_core::cancellation::Cancellation;
