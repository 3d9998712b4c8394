//! The HTTP API's side of a function: what a request says, and how it is answered.

mod answer;
mod request;

pub use answer::{Answer, Outcome, Problem, fits_into_an_answer, respond, string_bytes};
pub use request::{bearer_of, body_of, job_id_of};
