//! The routes of both APIs.

use typed_contract::{
    functions::{Function as _, FunctionSpec, check_serves_http_route},
    http_routes,
};

use crate::{
    functions::{JobsFunction, WorkerFunction},
    messages::{ClientMessageType, message_routes},
};

message_routes! {
    /// A route of the WebSocket API: the three that API Gateway selects itself, and one for each
    /// message of [`crate::messages`].
    pub enum Route {
        /// A client opens a connection. The only route that can be authorized.
        Connect = "$connect",
        /// A connection has ended. API Gateway calls it on a best-effort basis, and late if the
        /// client vanished.
        Disconnect = "$disconnect",
        /// A message that is not JSON or whose `type` selects no other route.
        Default = "$default",
    }
}

http_routes! {
    /// A route of the HTTP API.
    pub enum HttpRoute {
        /// Creates a job from an input.
        CreateJob = Post "/v1/jobs",
        /// Returns the jobs of an owner, newest first.
        ListJobs = Get "/v1/jobs",
        /// Returns the job's snapshot.
        GetJob = Get "/v1/jobs/{job_id}",
        /// Returns the job's durable messages after one of them, and its snapshot.
        GetEvents = Get "/v1/jobs/{job_id}/events",
        /// Returns the job's results.
        GetResults = Get "/v1/jobs/{job_id}/results",
        /// Redirects to the content of an artifact.
        GetArtifact = Get "/v1/jobs/{job_id}/artifacts/{name}",
        /// Returns what is missing of the job's input, with URLs to upload it.
        GetUpload = Get "/v1/jobs/{job_id}/upload",
        /// Verifies the uploaded input and queues the job.
        CompleteUpload = Post "/v1/jobs/{job_id}/upload",
        /// Cancels the job.
        CancelJob = Delete "/v1/jobs/{job_id}",
        /// Claims a job for an external worker.
        ClaimJob = Post "/v1/jobs/{job_id}/claim",
        /// Claims the next job of a queue for an external worker.
        ClaimFromQueue = Post "/v1/queues/{queue}/claim",
        /// Hands a job back that the worker has claimed.
        ReleaseJob = Post "/v1/jobs/{job_id}/release",
        /// Returns the job's input to the worker that runs it.
        GetInput = Get "/v1/jobs/{job_id}/input",
        /// Returns a URL to which the worker uploads an artifact.
        UploadArtifact = Post "/v1/jobs/{job_id}/artifacts",
        /// Posts events of the job from the worker that runs it.
        PostEvents = Post "/v1/jobs/{job_id}/events",
    }
}

impl HttpRoute {
    /// The function that serves the route.
    pub const fn function(self) -> &'static FunctionSpec {
        match self {
            Self::CreateJob
            | Self::ListJobs
            | Self::GetJob
            | Self::GetEvents
            | Self::GetResults
            | Self::GetArtifact
            | Self::GetUpload
            | Self::CompleteUpload
            | Self::CancelJob => JobsFunction::SPEC,
            Self::ClaimJob
            | Self::ClaimFromQueue
            | Self::ReleaseJob
            | Self::GetInput
            | Self::UploadArtifact
            | Self::PostEvents => WorkerFunction::SPEC,
        }
    }

    /// The routes that `function` serves.
    pub fn of(function: &FunctionSpec) -> Vec<Self> {
        let all = Self::ALL.iter().copied();
        all.filter(|route| route.function().name == function.name)
            .collect()
    }
}

/// Requires that API Gateway invokes the function of every HTTP route.
const _: () = {
    let mut index = 0;
    while index < HttpRoute::ALL.len() {
        let route = HttpRoute::ALL[index];
        check_serves_http_route(route.function(), route.path());
        index += 1;
    }
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_found_by_their_exact_key() {
        for route in Route::ALL {
            assert_eq!(Route::from_key(route.key()), Some(*route));
        }
        for route in HttpRoute::ALL {
            assert_eq!(HttpRoute::from_key(&route.key()), Some(*route));
        }
        assert_eq!(Route::from_key("subscribe "), None);
    }
}
