//! Queues of external workers.

use http::Method;
use serde_json::{Value, json};
use stagecast_contract::{ids::WorkerToken, tables::WorkQueues, worker_tokens::TokenQueues};
use stagecast_core::{
    clock::{Clock, random},
    models::{TokenItem as _, WorkerTokenRecord},
};
use typed_contract::tables::Table as _;

use crate::{Client, Job, System, worker::Worker};

/// Held by a scenario that uses queues: on a deployed stack, all scenarios share them.
static QUEUES: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

impl System {
    /// Waits until no other scenario of this process claims from queues or listens to them.
    pub async fn alone_in_queues() -> tokio::sync::MutexGuard<'static, ()> {
        QUEUES.lock().await
    }

    /// A worker token for all queues.
    pub async fn worker_token(&self) -> WorkerToken {
        let token = WorkerToken::new(random(), random());
        let now = Clock::system().now();
        let expiry = Some(now.plus_seconds(60 * 60));
        let name = "scenario".to_owned();
        let record = WorkerTokenRecord::new(&token, name, TokenQueues::All, now, expiry);
        let item = record.expect("a valid token").to_dynamodb_item();
        self.put(WorkQueues::SPEC, item.expect("an item")).await;
        token
    }

    /// Creates a job with a queue, which the query names, such as `queue=plans&priority=7`.
    pub async fn create_in_queue(&self, query: &str, body: impl Into<Vec<u8>>) -> Job {
        let body: Vec<u8> = body.into();
        let headers = [("content-type", "text/plain")];
        let path = format!("/v1/jobs?{query}");
        let answer = self.http.request(Method::POST, &path, &headers, body).await;
        assert_eq!(answer.status, 202, "{:?}", answer.body);
        assert!(answer.json().get("worker_key").is_none());
        self.job(&answer)
    }

    /// Opens a connection that listens to a queue. Returns its client and the id of its listener.
    pub async fn listen(&self, queue: &str, token: &WorkerToken) -> (Client, String) {
        let mut client = self.connect().await;
        let listen = json!({ "type": "listen", "queue": queue, "worker_token": token.reveal() });
        let listening = client.ask(&listen, "listening").await;
        let listener = listening["listener"].as_str().expect("an id").to_owned();
        (client, listener)
    }

    /// [`Self::claim_from`] of a worker that listens: an empty claim requests a notification.
    pub async fn claim_listening(
        &self,
        queue: &str,
        token: &WorkerToken,
        listener: &str,
    ) -> Option<(Value, Worker)> {
        let path = format!("/v1/queues/{queue}/claim");
        let bearer = format!("Bearer {}", token.reveal());
        let headers = [("authorization", bearer.as_str())];
        let body = json!({ "listener": listener }).to_string();
        let answer = self
            .http
            .request(Method::POST, &path, &headers, body.into_bytes())
            .await;
        if answer.status == 204 {
            return None;
        }
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        let claimed = answer.json();
        let worker = Worker::of_claim(&self.http, &claimed);
        Some((claimed, worker))
    }

    /// Claims the next job of a queue. None if no job waits in it.
    pub async fn claim_from(&self, queue: &str, token: &WorkerToken) -> Option<(Value, Worker)> {
        let path = format!("/v1/queues/{queue}/claim");
        let answer = self
            .http
            .with_key(Method::POST, &path, token.reveal())
            .await;
        if answer.status == 204 {
            return None;
        }
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        let claimed = answer.json();
        let worker = Worker::of_claim(&self.http, &claimed);
        Some((claimed, worker))
    }
}
