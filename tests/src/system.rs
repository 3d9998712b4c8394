//! A running system, with the operations that scenarios share.

use std::{path::PathBuf, time::Duration};

use http::Method;
use local_aws::{Fault, LocalStack, Options};
use serde_json::{Value, json};
use stagecast_contract::{
    queues::JobMessage,
    tables::{CONNECTION_SENTINEL, Connections, Subscribers},
};
use stagecast_core::clock::Clock;
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};
use typed_contract::{
    queues::Queue,
    tables::{Table as _, TableSpec},
};

use crate::{
    Client, Http, Response,
    engine::{self, Engine, Operator, Outputs},
    grants,
    script::{self, Gate, Script},
    timeout::timeout,
};

/// Lets one scenario at a time use the deployed stack.
static TURN: Mutex<()> = Mutex::const_new(());
/// Lets one scenario at a time use the deployed stack with the scripted pipeline.
static SCRIPTED_TURN: Mutex<()> = Mutex::const_new(());

/// The time between two checks of an awaited condition.
const LOOK: Duration = Duration::from_millis(50);

/// A running system.
#[derive(Debug)]
pub struct System {
    /// A client of its HTTP API.
    pub http: Http,
    outputs: Outputs,
    operator: Operator,
    host: Host,
}

/// The stack that the system runs on.
#[derive(Debug)]
enum Host {
    /// A local stack for this scenario only.
    Local {
        stack: LocalStack,
        _binaries: Option<TempDir>,
    },
    /// A deployed stack that all scenarios share.
    Deployed { _turn: MutexGuard<'static, ()> },
}

/// A created job.
#[derive(Clone, Debug)]
pub struct Job {
    /// The job id.
    pub id: String,
    /// The access key.
    pub key: String,
    /// The URL of the WebSocket API.
    pub websocket_url: String,
}

impl System {
    /// The system as it is deployed.
    pub async fn start() -> Self {
        match Engine::chosen() {
            Engine::Local => Self::start_with(|_| ()).await,
            Engine::Aws | Engine::Ministack => Self::deployed(engine::OUTPUTS, &TURN).await,
        }
    }

    /// The system as it is deployed, on a local stack with options.
    pub async fn start_with(adjust: impl FnOnce(&mut Options)) -> Self {
        Self::local_with(engine::binaries().to_owned(), None, adjust).await
    }

    /// The system with the scripted pipeline in the place of the reference pipeline.
    pub async fn scripted() -> Self {
        match Engine::chosen() {
            Engine::Local => Self::scripted_with(|_| ()).await,
            Engine::Aws | Engine::Ministack => {
                Self::deployed(engine::SCRIPTED_OUTPUTS, &SCRIPTED_TURN).await
            }
        }
    }

    /// [`Self::scripted`], on a local stack with options.
    pub async fn scripted_with(adjust: impl FnOnce(&mut Options)) -> Self {
        let binaries = engine::scripted_binaries();
        Self::local_with(binaries.path().to_owned(), Some(binaries), adjust).await
    }

    /// [`Self::scripted`], on a local stack with one pipeline process, which has one processor.
    pub async fn scripted_on_one_core() -> Self {
        let binaries = engine::scripted_binaries_on_one_core();
        Self::local_with(binaries.path().to_owned(), Some(binaries), |options| {
            options.concurrency = 1;
        })
        .await
    }

    /// [`Self::scripted`], with jobs that stay queued.
    pub async fn with_held_jobs() -> Self {
        let system = Self::scripted().await;
        if let Host::Local { stack, .. } = &system.host {
            stack.faults().on_call(|call| {
                let claims = call.caller == "pipeline" && call.operation == "dynamodb:UpdateItem";
                claims.then_some(Fault::Outage)
            });
        }
        system
    }

    async fn local_with(
        binaries: PathBuf,
        keep: Option<TempDir>,
        adjust: impl FnOnce(&mut Options),
    ) -> Self {
        let stack = engine::start(binaries, adjust).await;
        let outputs = Outputs::of(&stack);
        Self {
            http: Http::new(outputs.http_api()),
            operator: Operator::new(&engine::local_config(stack.urls()), outputs.clone()),
            outputs,
            host: Host::Local {
                stack,
                _binaries: keep,
            },
        }
    }

    async fn deployed(outputs: &str, turn: &'static Mutex<()>) -> Self {
        let outputs = Outputs::read(&engine::file(outputs));
        let config = granted_aws::load().await;
        let turn = turn.lock().await;
        let system = Self {
            http: Http::new(outputs.http_api()),
            operator: Operator::new(&config, outputs.clone()),
            outputs,
            host: Host::Deployed { _turn: turn },
        };
        system
            .wait_until_clean("an earlier scenario, or another client")
            .await;
        system
    }

    /// The local stack, for abilities that deployed stacks lack. A scenario that uses it declares them
    /// with [`needs!`](crate::needs).
    pub fn local(&self) -> &LocalStack {
        match &self.host {
            Host::Local { stack, .. } => stack,
            Host::Deployed { .. } => panic!(
                "only a local stack is able to do this: say in the scenario's first line what it \
                 needs!(...)"
            ),
        }
    }

    /// Creates a pipeline job from an input of this media type.
    pub async fn create(&self, media_type: &str, input: impl Into<Vec<u8>>) -> Job {
        let input: Vec<u8> = input.into();
        let headers = [("content-type", media_type)];
        let answer = self
            .http
            .request(Method::POST, "/v1/jobs", &headers, input)
            .await;
        assert_eq!(answer.status, 202, "{:?}", answer.body);
        self.job(&answer)
    }

    /// The job in a response of `POST /v1/jobs`.
    pub fn job(&self, answer: &Response) -> Job {
        let created = answer.json();
        let field = |name: &str| created[name].as_str().expect("a string").to_owned();
        assert_eq!(
            field("websocket_url"),
            self.outputs.advertised_websocket(),
            "the response has the WebSocket URL of the stack's outputs"
        );
        Job {
            id: field("job_id"),
            key: field("access_key"),
            websocket_url: self.outputs.websocket(),
        }
    }

    /// Creates a job with a script.
    pub async fn create_scripted(&self, script: &Script) -> Job {
        self.create(script::MEDIA_TYPE, script.body()).await
    }

    /// Creates a job with a script, and a client that subscribes before the first stage starts.
    pub async fn create_and_watch(&self, script: Script) -> (Job, Client) {
        let gate = Gate::closed();
        let job = self.create_scripted(&script.behind(&gate)).await;
        let client = self.watch(&job).await;
        gate.open();
        (job, client)
    }

    /// Connects without a job.
    pub async fn connect(&self) -> Client {
        let connected = Client::connect(&self.outputs.websocket()).await;
        connected.expect("the connection is accepted")
    }

    /// Connects and subscribes to a job.
    pub async fn watch(&self, job: &Job) -> Client {
        let mut client = self.connect().await;
        client.ask(&job.subscribe(), "subscribed").await;
        client
    }

    /// Waits until the job's first stage has reported its start, then connects and subscribes.
    pub async fn watch_started(&self, job: &Job) -> Client {
        self.eventually("the first stage has started", async |system| {
            let path = job.path();
            let snapshot = system.http.with_key(Method::GET, &path, &job.key).await;
            snapshot.json()["stage"].is_string()
        })
        .await;
        self.watch(job).await
    }

    /// The items of a table, as plain JSON.
    pub async fn items(&self, table: &TableSpec) -> Vec<Value> {
        self.operator.items(table).await
    }

    /// Puts an item in a table.
    pub async fn put(&self, table: &TableSpec, item: granted_aws::Item) {
        self.operator.put(table, item).await;
    }

    /// Sends a message to a queue.
    pub async fn send<Q: Queue>(&self, message: &Q::Message) {
        self.operator.send::<Q>(message).await;
    }

    /// Whether API Gateway has an open connection with this id.
    pub async fn is_connected(&self, connection_id: &str) -> bool {
        self.operator.is_connected(connection_id).await
    }

    /// Waits until `condition` is true. Fails the test at the timeout.
    pub async fn eventually(&self, what: &str, condition: impl AsyncFn(&Self) -> bool) {
        for _ in 0..timeout().as_millis() / LOOK.as_millis() {
            if condition(self).await {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
        let logs = match &self.host {
            Host::Local { stack, .. } => stack.logs(),
            Host::Deployed { .. } => Vec::new(),
        };
        panic!(
            "timeout while waiting until {what}\nconnections: {:#?}\nsubscribers: {:#?}\nlogs: {:#?}",
            self.items(Connections::SPEC).await,
            self.items(Subscribers::SPEC).await,
            logs.iter().rev().take(80).collect::<Vec<_>>()
        );
    }

    /// Sets the time to live of all connections and subscriptions to ten minutes. Returns the expiry
    /// in epoch seconds.
    pub async fn age_connections(&self) -> i64 {
        let soon = self.age_subscriptions().await;
        self.age(Connections::SPEC, soon, is_own).await;
        soon
    }

    /// The same for subscriptions only, as if their client had sent a message lately.
    pub async fn age_subscriptions(&self) -> i64 {
        let soon = Clock::system().now().plus_seconds(600).epoch_seconds();
        self.age(Subscribers::SPEC, soon, |_| true).await;
        self.age(Connections::SPEC, soon, |item| !is_own(item))
            .await;
        self.operator
            .set_time(Connections::SPEC, "subscriptions_expire_at", soon, is_own)
            .await;
        soon
    }

    async fn age(&self, table: &TableSpec, soon: i64, of: impl Fn(&Value) -> bool) {
        let attribute = table.time_to_live.name;
        self.operator.set_time(table, attribute, soon, of).await;
    }

    /// Waits until the tables have no connections and subscriptions.
    pub async fn wait_until_clean(&self, by: &str) {
        let what = format!("the tables have no connections of {by}");
        self.eventually(&what, async |system| {
            system.items(Connections::SPEC).await.is_empty()
                && system.items(Subscribers::SPEC).await.is_empty()
        })
        .await;
    }

    /// Expires the lease of a job, as if its holder had been silent for long.
    pub async fn end_lease(&self, job: &Job) {
        self.operator.end_lease(&job.id).await;
    }

    /// Ends a scenario whose clients have disconnected: waits until their items are deleted, and asserts
    /// that every recorded call was granted.
    pub async fn finish(self) {
        if let Host::Local { stack, .. } = &self.host {
            let missing = grants::missing(&stack.calls().all());
            assert!(missing.is_empty(), "{missing:#?}");
        }
        self.wait_until_clean("this scenario").await;
        if let Host::Local { stack, .. } = self.host {
            stack.shutdown().await;
        }
    }
}

impl Job {
    /// The message that subscribes to the job.
    pub fn subscribe(&self) -> Value {
        json!({ "type": "subscribe", "job_id": self.id, "access_key": self.key })
    }

    /// The WebSocket URL that subscribes to the job in the handshake.
    pub fn url(&self) -> String {
        let (url, id, key) = (&self.websocket_url, &self.id, &self.key);
        format!("{url}?job_id={id}&access_key={key}")
    }

    /// The job message that puts the job on its queue.
    pub fn job_message(&self) -> JobMessage {
        let job_id = self.id.parse().expect("a job's id");
        JobMessage::new(job_id)
    }

    /// The path of the job.
    pub fn path(&self) -> String {
        format!("/v1/jobs/{}", self.id)
    }
}

/// Whether an item of the table is a connection, not a subscription.
fn is_own(item: &Value) -> bool {
    item["job_id"] == CONNECTION_SENTINEL
}
