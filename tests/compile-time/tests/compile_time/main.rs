//! What must not compile, and what is said then.

mod readme;
mod refusals;
mod walkthrough;
mod workspace;
