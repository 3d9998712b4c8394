//! The function that serves workers of their own: programs in any language that run a job from
//! outside, with its worker key. They claim it, fetch its input, and tell what happens to it.

mod claim;
mod course;
mod events;
mod handler;
mod input;
mod publishers;
mod repeats;

pub use handler::Handler;
