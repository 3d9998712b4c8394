//! The feed of an owner, across a lost connection.

use std::collections::BTreeMap;

use end_to_end::{Client, Http, Job, System, needs, worker::Worker, worker::stage_complete};
use http::Method;
use serde_json::{Value, json};
use stagecast_contract::functions::WebSocketFunction;
use stagecast_core::clock::Clock;
use stagecast_testing::{
    TestAws,
    owner_tokens::{project, token_of},
};

const OWNER: &str = "user-7";
const SETTING: &str = "OWNER_TOKENS";

/// A system whose environment has the key of the test's tokens, and a token.
async fn system() -> (System, String) {
    let rules = TestAws::of(project()).variable::<WebSocketFunction>(SETTING);
    let rules = rules.expect("the environment has keys");
    let system = System::start_with(|options| {
        for function in ["websocket", "jobs"] {
            let variables = options.environment.entry(function.to_owned()).or_default();
            variables.insert(SETTING.to_owned(), rules.clone());
        }
    });
    let token = token_of(&Clock::system(), OWNER, &["create", "watch"]);
    (system.await, token)
}

/// A job of the owner for an external worker, which has claimed it.
async fn create(system: &System, token: &str) -> (Job, Worker) {
    let authorization = format!("Bearer {token}");
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "text/plain"),
    ];
    let path = "/v1/jobs?worker=external";
    let answer = system.http.request(Method::POST, path, &headers, "").await;
    assert_eq!(answer.status, 202, "{:?}", answer.body);
    let job = system.job(&answer);
    let key = answer.json()["worker_key"].as_str().map(str::to_owned);
    let mut worker = Worker::new(&system.http, &job, &key.expect("a worker key"));
    worker.claim(&["a", "b"]).await;
    (job, worker)
}

async fn finish_stage(worker: &mut Worker, stage: &str) {
    worker
        .post_events(json!([stage_complete(stage, stage)]))
        .await;
}

async fn complete(worker: &mut Worker) {
    worker
        .post_events(json!([{ "type": "job_complete" }]))
        .await;
}

/// What a client knows of the owner's jobs, by the rules of the protocol.
struct Watcher {
    http: Http,
    token: String,
    /// The durable messages of each job, in order.
    applied: BTreeMap<String, Vec<Value>>,
    /// The jobs that `job_created` has named.
    created: Vec<String>,
}

impl Watcher {
    fn seq(&self, job_id: &str) -> u64 {
        self.applied.get(job_id).map_or(0, |it| it.len() as u64)
    }

    fn has_ended(&self, job_id: &str) -> bool {
        let messages = self.applied.get(job_id);
        messages.is_some_and(|it| it.last().is_some_and(|it| it["type"] == "job_complete"))
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.http.with_key(Method::GET, path, &self.token).await;
        assert_eq!(answer.status, 200, "{path}: {:?}", answer.body);
        answer.json()
    }

    /// Subscribes, lists, and reads the events of each job that is behind.
    async fn connect(&mut self, system: &System) -> Client {
        let mut client = system.connect().await;
        let subscribe = json!({ "type": "subscribe", "owner": OWNER, "token": self.token });
        client.send(&subscribe).await;
        let mut early = Vec::new();
        loop {
            let message = client.next().await.expect("a message");
            if message["type"] == "owner_subscribed" {
                assert_eq!(message["owner"], OWNER);
                break;
            }
            early.push(message);
        }
        let page = self.get("/v1/jobs").await;
        for snapshot in page["jobs"].as_array().expect("jobs") {
            let id = snapshot["job_id"].as_str().expect("an id").to_owned();
            self.applied.entry(id.clone()).or_default();
            if snapshot["seq"].as_u64() > Some(self.seq(&id)) {
                self.read_events(&id).await;
            }
        }
        for message in early {
            self.accept(message).await;
        }
        client
    }

    async fn read_events(&mut self, job_id: &str) {
        let path = format!("/v1/jobs/{job_id}/events?after_seq={}", self.seq(job_id));
        let page = self.get(&path).await;
        for event in page["events"].as_array().expect("events") {
            self.accept(event.clone()).await;
        }
    }

    /// Applies a message that is next, and reads what is missing before one that is not.
    async fn accept(&mut self, message: Value) {
        let id = message["job_id"].as_str().expect("an id").to_owned();
        match message["type"].as_str() {
            Some("job_created") => self.created.push(id),
            Some("progress_update") => {}
            _ => {
                let (seq, known) = (message["seq"].as_u64().expect("a seq"), self.seq(&id));
                if seq == known + 1 {
                    self.applied.entry(id).or_default().push(message);
                } else if seq > known {
                    Box::pin(self.read_events(&id)).await;
                }
            }
        }
    }

    /// Receives messages until a condition is met.
    async fn receive_until(&mut self, client: &mut Client, is_met: impl Fn(&Self) -> bool) {
        while !is_met(self) {
            let message = client.next().await.expect("a message");
            self.accept(message).await;
        }
    }
}

#[tokio::test]
async fn client_of_the_feed_ends_with_the_state_of_every_job() {
    needs!(AdjustStack);
    let (system, token) = system().await;
    let (before, mut worker) = create(&system, &token).await;
    finish_stage(&mut worker, "a").await;
    complete(&mut worker).await;
    let mut watcher = Watcher {
        http: system.http.clone(),
        token: token.clone(),
        applied: BTreeMap::new(),
        created: Vec::new(),
    };

    let mut client = watcher.connect(&system).await;
    assert!(watcher.has_ended(&before.id));
    let (first, mut first_worker) = create(&system, &token).await;
    finish_stage(&mut first_worker, "a").await;
    let (second, mut second_worker) = create(&system, &token).await;
    let jobs = [&first.id, &second.id];
    watcher
        .receive_until(&mut client, |watcher| {
            watcher.seq(&first.id) == 1 && jobs.iter().all(|id| watcher.created.contains(id))
        })
        .await;

    client.drop_connection();
    finish_stage(&mut second_worker, "a").await;
    complete(&mut first_worker).await;
    let (missed, mut missed_worker) = create(&system, &token).await;
    complete(&mut missed_worker).await;

    let mut client = watcher.connect(&system).await;
    finish_stage(&mut second_worker, "b").await;
    complete(&mut second_worker).await;
    watcher
        .receive_until(&mut client, |watcher| watcher.has_ended(&second.id))
        .await;

    for (job, messages) in [(&before, 2), (&first, 2), (&second, 3), (&missed, 1)] {
        let snapshot = watcher.get(&job.path()).await;
        assert_eq!(snapshot["status"], "completed");
        assert_eq!(snapshot["seq"], watcher.seq(&job.id));
        assert_eq!(watcher.seq(&job.id), messages);
        assert!(watcher.has_ended(&job.id));
    }
    assert_eq!(watcher.applied.len(), 4);
    let unsubscribe = json!({ "type": "unsubscribe", "owner": OWNER });
    client.send(&unsubscribe).await;
    while client.next().await.expect("a message")["type"] != "owner_unsubscribed" {}
    client.close().await;
    system.finish().await;
}
