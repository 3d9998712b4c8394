//! What must not compile, and what is said then; the walkthroughs of the book; what is linked.

mod dependencies;
mod page;
mod refusals;
mod walkthrough;
mod workspace;
