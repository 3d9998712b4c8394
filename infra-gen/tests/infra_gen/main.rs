//! The templates as AWS gets them, and the command line as people use it.

mod command_line;
mod template;
