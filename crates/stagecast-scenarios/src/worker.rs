//! An external worker: runs a job over the HTTP API.

use http::Method;
use serde_json::{Value, json};

use crate::{Http, Job, Response, System};

/// An external worker with the state of its claim.
#[derive(Clone, Debug)]
pub struct Worker {
    http: Http,
    path: String,
    /// The job's worker key.
    pub key: String,
    /// The epoch of the worker's claim.
    pub epoch: u64,
    /// The `seq` of the last response.
    pub seq: u64,
}

impl System {
    /// Creates a job for an external worker from an input of this media type.
    pub async fn create_external(
        &self,
        media_type: &str,
        body: impl Into<Vec<u8>>,
    ) -> (Job, Worker) {
        let body: Vec<u8> = body.into();
        let headers = [("content-type", media_type)];
        let answer = self
            .http
            .request(Method::POST, "/v1/jobs?worker=external", &headers, body)
            .await;
        assert_eq!(answer.status, 202, "{:?}", answer.body);
        let job = self.job(&answer);
        let key = answer.json()["worker_key"].as_str().map(str::to_owned);
        let worker = Worker::new(&self.http, &job, &key.expect("a worker key"));
        (job, worker)
    }
}

impl Worker {
    /// A worker with the key of a job that it has not claimed.
    pub fn new(http: &Http, job: &Job, key: &str) -> Self {
        Self {
            http: http.clone(),
            path: job.path(),
            key: key.to_owned(),
            epoch: 0,
            seq: 0,
        }
    }

    /// A worker with a claim from a queue.
    pub(crate) fn of_claim(http: &Http, claimed: &Value) -> Self {
        let text = |name: &str| claimed[name].as_str().expect("a string");
        let number = |name: &str| claimed[name].as_u64().expect("a number");
        Self {
            http: http.clone(),
            path: format!("/v1/jobs/{}", text("job_id")),
            key: text("worker_key").to_owned(),
            epoch: number("epoch"),
            seq: number("seq"),
        }
    }

    /// Sends a request about the job.
    pub async fn request(&self, method: Method, what: &str, body: impl Into<Vec<u8>>) -> Response {
        let authorization = format!("Bearer {}", self.key);
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
        ];
        let path = format!("{}/{what}", self.path);
        let body: Vec<u8> = body.into();
        self.http.request(method, &path, &headers, body).await
    }

    /// Tries to claim the job.
    pub async fn try_claim(&mut self, claim: &Value) -> Response {
        let answer = self.request(Method::POST, "claim", claim.to_string()).await;
        if answer.status == 200 {
            let claimed = answer.json();
            self.epoch = claimed["epoch"].as_u64().expect("an epoch");
            self.seq = claimed["seq"].as_u64().expect("a seq");
        }
        answer
    }

    /// Claims the job for these stages.
    pub async fn claim(&mut self, stages: &[&str]) -> Value {
        let answer = self.try_claim(&json!({ "stages": stages })).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        answer.json()
    }

    /// The body of a post with these events.
    pub fn body(&self, events: &Value) -> Value {
        json!({ "epoch": self.epoch, "after_seq": self.seq, "events": events })
    }

    /// Posts a body unchanged. Does not check the response.
    pub async fn post(&self, body: &Value) -> Response {
        self.request(Method::POST, "events", body.to_string()).await
    }

    /// Posts events, which must be accepted. Returns the response.
    pub async fn post_events(&mut self, events: Value) -> Value {
        let answer = self.post(&self.body(&events)).await;
        assert_eq!(answer.status, 200, "{events}: {:?}", answer.body);
        let accepted = answer.json();
        self.seq = accepted["seq"].as_u64().expect("a seq");
        accepted
    }

    /// Posts events, which must be rejected with this status. Returns the error.
    pub async fn post_rejected(&self, status: u16, events: Value) -> Value {
        let answer = self.post(&self.body(&events)).await;
        assert_eq!(answer.status, status, "{events}: {:?}", answer.body);
        answer.json()["error"].clone()
    }
}

/// A `progress_update`.
pub fn progress(stage: &str, progress: u8) -> Value {
    json!({ "type": "progress_update", "stage": stage, "progress": progress, "message": "..." })
}

/// A `stage_complete`.
pub fn stage_complete(stage: &str, results: impl Into<Value>) -> Value {
    json!({ "type": "stage_complete", "stage": stage, "results": results.into() })
}
