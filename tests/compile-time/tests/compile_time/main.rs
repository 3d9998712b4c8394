//! What must not compile, and what is said then; what the README walks through; what is linked.

mod dependencies;
mod readme;
mod refusals;
mod walkthrough;
mod workspace;
