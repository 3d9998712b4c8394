//! The templates as AWS gets them, and the command line as people use it.

mod bad_input;
mod command_line;
mod comparison;
mod crates;
mod deploy;
mod diff;
mod program;
mod template;
