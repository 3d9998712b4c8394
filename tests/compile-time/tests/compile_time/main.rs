//! What must not compile, and what is said then.

mod refusals;
