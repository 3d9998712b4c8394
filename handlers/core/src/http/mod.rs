//! The HTTP API's side of a function: what a request says, and how it is answered.

mod request;
mod response;

pub use request::{bearer_token, job_id_of, read_body};
pub use response::{ApiError, ApiResponse, ApiResult, respond};
