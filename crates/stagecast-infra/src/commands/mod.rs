//! The subcommands of `infra-gen`, one file each, and what they share.
//!
//! | file | content |
//! | --- | --- |
//! | `architecture`, `code`, `page`, `stack_options` | options that several subcommands take |
//! | `stack_error`, `failure`, `advice`, `hints` | errors, and the next steps that they suggest |
//! | `jobs` | the commands for the jobs of a stack, one file each |
//! | `columns`, `follow`, `ownership`, `runtime`, `stack_names`, `terminal`, `workspace` | helpers |

#[cfg(feature = "deploy")]
pub(crate) mod advice;
#[cfg(feature = "deploy")]
mod code;
#[cfg(feature = "deploy")]
mod columns;
#[cfg(feature = "deploy")]
pub(crate) mod deploy;
#[cfg(feature = "deploy")]
pub(crate) mod destroy;
#[cfg(feature = "deploy")]
mod failure;
#[cfg(feature = "deploy")]
mod follow;
#[cfg(feature = "deploy")]
mod hints;
#[cfg(feature = "deploy")]
pub(crate) mod jobs;
#[cfg(feature = "deploy")]
pub(crate) mod logs;
#[cfg(feature = "deploy")]
pub(crate) mod outputs;
#[cfg(feature = "deploy")]
mod ownership;
#[cfg(feature = "deploy")]
pub(crate) mod package;
#[cfg(feature = "deploy")]
mod runtime;
#[cfg(feature = "deploy")]
mod stack_error;
#[cfg(feature = "deploy")]
mod stack_names;
#[cfg(feature = "deploy")]
mod stack_options;
#[cfg(feature = "deploy")]
mod terminal;
#[cfg(feature = "deploy")]
pub(crate) mod worker_tokens;

mod architecture;
pub(crate) mod check;
pub(crate) mod diff;
pub(crate) mod new;
mod outcome;
mod page;
pub(crate) mod synth;
mod workspace;

pub(crate) use outcome::CommandOutcome;
