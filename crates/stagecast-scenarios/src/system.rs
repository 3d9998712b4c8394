//! A running system, with the operations that scenarios share.

use std::{
    collections::BTreeMap,
    mem,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use http::Method;
use local_aws::{Fault, LocalStack, LogLine, Options};
use serde_json::{Value, json};
use stagecast_contract::{
    product::Product,
    queues::JobMessage,
    tables::{CONNECTION_SENTINEL, Connections, Subscribers},
};
use stagecast_core::clock::Clock;
use stagecast_infra::Project;
use tokio::sync::OwnedMutexGuard;
use typed_contract::{
    queues::Queue,
    tables::{Table as _, TableSpec},
};

use crate::{
    client::Client,
    engine::{self, Operator, Outputs},
    grants,
    http::{Http, Response},
    timeout::timeout,
};

/// The locks of deployed stacks, by the file with their outputs. One scenario at a time uses a stack.
static TURNS: LazyLock<Mutex<BTreeMap<PathBuf, Arc<tokio::sync::Mutex<()>>>>> =
    LazyLock::new(Mutex::default);

/// The time between two checks of an awaited condition.
const LOOK: Duration = Duration::from_millis(50);

/// The number of lines of the functions' logs that a failed scenario shows.
const SHOWN_LINES: usize = 60;

/// A running system of a product. It shows the functions' last log lines if the scenario panics.
#[derive(Debug)]
pub struct System {
    /// A client of its HTTP API.
    pub http: Http,
    product: &'static Product,
    outputs: Outputs,
    operator: Operator,
    host: Host,
}

/// The stack that the system runs on.
#[derive(Debug)]
enum Host {
    /// A local stack for this scenario only.
    Local(Box<LocalStack>),
    /// A deployed stack that all scenarios share.
    Deployed { _turn: OwnedMutexGuard<()> },
    /// None any more.
    Stopped,
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
    /// The product on a local stack with options, and with the executables in this folder.
    pub async fn local_with(
        project: Project,
        executables: PathBuf,
        adjust: impl FnOnce(&mut Options),
    ) -> Self {
        let stack = engine::start(project, executables, adjust).await;
        let outputs = Outputs::of(&stack);
        Self {
            http: Http::new(outputs.http_api()),
            product: project.product,
            operator: Operator::new(&engine::local_config(stack.urls()), outputs.clone()),
            outputs,
            host: Host::Local(Box::new(stack)),
        }
    }

    /// The product on a deployed stack. `variable` names the environment variable with the path of the
    /// stack's outputs. Waits until no other scenario of this process uses the stack.
    pub async fn deployed(project: Project, variable: &str) -> Self {
        let file = engine::file(variable);
        let outputs = Outputs::read(&file);
        let config = granted_aws::load().await;
        let turn = turn(&file).lock_owned().await;
        let system = Self {
            http: Http::new(outputs.http_api()),
            product: project.product,
            operator: Operator::new(&config, outputs.clone()),
            outputs,
            host: Host::Deployed { _turn: turn },
        };
        system
            .wait_until_clean("an earlier scenario, or another client")
            .await;
        system
    }

    /// Keeps new jobs queued, where the engine is able to: a scenario that uses it declares
    /// `needs!(HoldJobs)`.
    pub fn hold_jobs(&self) {
        if let Host::Local(stack) = &self.host {
            stack.faults().on_call(|call| {
                let claims = call.caller == "pipeline" && call.operation == "dynamodb:UpdateItem";
                claims.then_some(Fault::Outage)
            });
        }
    }

    /// The local stack, for abilities that deployed stacks lack. A scenario that uses it declares them
    /// with [`needs!`](crate::needs).
    pub fn local(&self) -> &LocalStack {
        match &self.host {
            Host::Local(stack) => stack,
            Host::Deployed { .. } | Host::Stopped => panic!(
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
        assert_eq!(
            answer.status,
            202,
            "POST /v1/jobs does not accept the input as {media_type}: {}",
            String::from_utf8_lossy(&answer.body)
        );
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
        panic!(
            "timeout while waiting until {what}\nconnections: {:#?}\nsubscribers: {:#?}",
            self.items(Connections::SPEC).await,
            self.items(Subscribers::SPEC).await,
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
        self.operator
            .set_time(Connections::SPEC, "listeners_expire_at", soon, is_own)
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

    /// Expires the upload of a job that awaits its input, as if it had waited for a day.
    pub async fn expire_upload(&self, job: &Job) {
        self.operator.expire_upload(&job.id).await;
    }

    /// The functions' logs so far. Empty on a deployed stack.
    pub fn logs(&self) -> Vec<LogLine> {
        match &self.host {
            Host::Local(stack) => stack.logs(),
            Host::Deployed { .. } | Host::Stopped => Vec::new(),
        }
    }

    /// Ends a scenario whose clients have disconnected: waits until their items are deleted, and asserts
    /// that every recorded call was granted.
    pub async fn finish(mut self) {
        if let Host::Local(stack) = &self.host {
            let missing = grants::missing(self.product, &stack.calls().all());
            assert!(missing.is_empty(), "{missing:#?}");
        }
        self.wait_until_clean("this scenario").await;
        if let Host::Local(stack) = mem::replace(&mut self.host, Host::Stopped) {
            stack.shutdown().await;
        }
    }
}

impl Drop for System {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let logs = self.logs();
        let shown = logs.len().saturating_sub(SHOWN_LINES);
        if let Some(last) = logs.get(shown..).filter(|last| !last.is_empty()) {
            eprintln!("the last lines of the functions' logs:");
            for line in last {
                eprintln!("  {}: {}", line.function, line.text);
            }
        }
    }
}

/// The lock of the deployed stack with outputs in this file.
fn turn(outputs: &Path) -> Arc<tokio::sync::Mutex<()>> {
    let mut turns = TURNS
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    Arc::clone(turns.entry(outputs.to_owned()).or_default())
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
