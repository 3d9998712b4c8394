//! Requests and responses of the HTTP API.

mod request;
mod response;

pub use request::{bearer_token, job_id_of, read_body};
pub use response::{ApiError, ApiResponse, ApiResult, respond};
