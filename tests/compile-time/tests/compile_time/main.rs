//! Programs that must not compile, the walkthroughs of the book, and the functions' dependencies.

mod dependencies;
mod page;
mod refusals;
mod walkthrough;
mod workspace;
