//! The templates, and the commands of `infra-gen` run as processes.

mod bad_input;
mod command_line;
mod comparison;
mod crates;
mod deploy;
mod diff;
mod modules;
mod new;
mod program;
mod template;
