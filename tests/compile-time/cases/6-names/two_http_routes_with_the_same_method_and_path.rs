//! A request must match at most one route.

typed_contract::http_routes! {
    /// A route of the HTTP API.
    pub enum HttpRoute {
        /// Takes an input, answers with the new job.
        CreateJob = Post "/v1/jobs",
        /// The job's snapshot.
        GetJob = Get "/v1/jobs/{job_id}",
        /// Takes several inputs.
        CreateJobs = Post "/v1/jobs",
    }
}

fn main() {}
