//! A running system, and what every scenario does with it.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Duration,
};

use contract::{
    functions,
    tables::{Connections, Jobs, Subscribers, Table as _},
};
use handlers_core::clock::Clock;
use http::Method;
use infra_gen::{environments::Environment, stack, template::Format};
use local::{LocalStack, Options};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Answer, Client, Http, grants, script::Script};

/// A running system.
#[derive(Debug)]
pub struct System {
    /// The stack.
    pub stack: LocalStack,
    /// A client of its HTTP API.
    pub http: Http,
    _binaries: Option<TempDir>,
}

/// A job that was made.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// What opens it.
    pub key: String,
    /// Where to connect.
    pub websocket_url: String,
}

impl System {
    /// Starts the system as it is deployed.
    pub async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    /// Starts the system with options.
    pub async fn start_with(adjust: impl FnOnce(&mut Options)) -> Self {
        Self::run(binaries().to_owned(), None, adjust).await
    }

    /// Starts the system with the scripted pipeline in the place of the reference pipeline.
    pub async fn scripted() -> Self {
        Self::scripted_with(|_| ()).await
    }

    /// [`Self::scripted`] with options.
    pub async fn scripted_with(adjust: impl FnOnce(&mut Options)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for function in functions::ALL {
            let real = if function.name == "pipeline" {
                "scripted_pipeline"
            } else {
                function.name
            };
            std::os::unix::fs::symlink(binaries().join(real), folder.path().join(function.name))
                .expect("a link");
        }
        Self::run(folder.path().to_owned(), Some(folder), adjust).await
    }

    async fn run(
        binaries: PathBuf,
        keep: Option<TempDir>,
        adjust: impl FnOnce(&mut Options),
    ) -> Self {
        let template = stack::synthesize(&Environment::dev()).expect("the stack synthesizes");
        let template = template
            .to_json(Format::CloudFormation)
            .expect("the template renders");
        let mut options = Options::new(template, binaries);
        adjust(&mut options);
        let stack = LocalStack::start(options).await.expect("the stack starts");
        Self {
            http: Http::new(&stack.urls().http_api),
            stack,
            _binaries: keep,
        }
    }

    /// Makes a job.
    pub async fn create(&self, body: impl Into<Vec<u8>>) -> Job {
        let body: Vec<u8> = body.into();
        let answer = self
            .http
            .request(
                Method::POST,
                "/v1/jobs",
                &[("content-type", "image/png")],
                body,
            )
            .await;
        assert_eq!(answer.status, 202, "{:?}", answer.body);
        Job::of(&answer)
    }

    /// Makes a job that follows a script.
    pub async fn create_scripted(&self, script: &Script) -> Job {
        self.create(script.body()).await
    }

    /// Connects without a job.
    pub async fn connect(&self) -> Client {
        let connected = Client::connect(&self.stack.urls().websocket).await;
        connected.expect("the connection is accepted")
    }

    /// Connects and watches a job from its first message on.
    pub async fn watch(&self, job: &Job) -> Client {
        let mut client = self.connect().await;
        client.ask(&job.subscribe(), "subscribed").await;
        client
    }

    /// The items of a table, as plain JSON.
    pub fn items(&self, table: &str) -> Vec<Value> {
        let items = self.stack.items(table).expect("the table");
        items.into_iter().map(plain).collect()
    }

    /// Waits until `condition` holds; fails the test when it never does.
    pub async fn eventually(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        for _ in 0..600 {
            if condition(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!(
            "it never came to this: {what}\nconnections: {:#?}\nsubscribers: {:#?}\nlogs: {:#?}",
            self.items(Connections::SPEC.name),
            self.items(Subscribers::SPEC.name),
            self.stack.logs().iter().rev().take(80).collect::<Vec<_>>()
        );
    }

    /// Leaves every connection and subscription ten minutes to live.
    pub async fn age_connections(&self) {
        let soon = Clock::system().now().plus_seconds(600).epoch_seconds();
        for table in [Connections::SPEC, Subscribers::SPEC] {
            for mut item in self.stack.items(table.name).expect("the table") {
                let item = item.as_object_mut().expect("an item");
                let names = [Some(table.key.partition), table.key.sort];
                item.retain(|name, _| names.iter().flatten().any(|key| key.name == name));
                let update = json!({
                    "TableName": table.name,
                    "Key": item,
                    "UpdateExpression": "SET expires_at = :soon",
                    "ConditionExpression": "attribute_exists(expires_at)",
                    "ExpressionAttributeValues": { ":soon": { "N": soon.to_string() } },
                });
                let target = [("x-amz-target", "DynamoDB_20120810.UpdateItem")];
                self.http
                    .request(Method::POST, "/", &target, update.to_string())
                    .await;
            }
        }
    }

    /// Lets the lease of a job's run end, as if it had not been heard of for long.
    pub async fn end_lease(&self, job: &Job) {
        let update = json!({
            "TableName": Jobs::SPEC.name,
            "Key": { "job_id": { "S": job.id } },
            "UpdateExpression": "SET lease_expires_at = :then",
            "ConditionExpression": "attribute_exists(job_id)",
            "ExpressionAttributeValues": { ":then": { "N": "1" } },
        });
        let target = [("x-amz-target", "DynamoDB_20120810.UpdateItem")];
        let answer = self
            .http
            .request(Method::POST, "/", &target, update.to_string())
            .await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
    }

    /// Ends a scenario whose clients have all left: nothing of them may remain, and nobody may
    /// have done what they are not granted.
    pub async fn finish(self) {
        let missing = grants::missing(&self.stack.calls().all());
        assert!(missing.is_empty(), "{missing:#?}");
        self.eventually("the tables hold nothing of closed connections", |system| {
            system.items(Connections::SPEC.name).is_empty()
                && system.items(Subscribers::SPEC.name).is_empty()
        })
        .await;
        self.stack.shutdown().await.expect("the stack stops");
    }
}

impl Job {
    /// The job that `POST /v1/jobs` has answered with.
    pub(crate) fn of(answer: &Answer) -> Self {
        let created = answer.json();
        let field = |name: &str| created[name].as_str().expect("a string").to_owned();
        Self {
            id: field("job_id"),
            key: field("access_key"),
            websocket_url: field("websocket_url"),
        }
    }

    /// The message that subscribes to the job.
    pub fn subscribe(&self) -> Value {
        json!({ "type": "subscribe", "job_id": self.id, "access_key": self.key })
    }

    /// The path of the job.
    pub fn path(&self) -> String {
        format!("/v1/jobs/{}", self.id)
    }
}

/// An item without DynamoDB's types: all that tests look at are strings and numbers.
fn plain(item: Value) -> Value {
    let Value::Object(attributes) = item else {
        return item;
    };
    attributes
        .into_iter()
        .map(|(name, value)| {
            let value = match value {
                Value::Object(typed) => typed.into_iter().next().map_or(Value::Null, |(_, it)| it),
                other => other,
            };
            (name, value)
        })
        .collect()
}

/// The folder with the functions' binaries, up to date with the sources.
///
/// `STAGECAST_BIN_DIR` names one that is ready; without it the binaries are built here, which does
/// nothing after `cargo test --workspace` has built them.
fn binaries() -> &'static Path {
    static BINARIES: OnceLock<PathBuf> = OnceLock::new();
    BINARIES.get_or_init(|| {
        if let Some(folder) = std::env::var_os("STAGECAST_BIN_DIR") {
            return folder.into();
        }
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(["build", "--workspace", "--bins", "--quiet"])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        // What cargo told this test about its package would be news to the build scripts of
        // others, and they would run again.
        for (name, _) in std::env::vars_os() {
            let name_text = name.to_string_lossy();
            if name_text.starts_with("CARGO_PKG_") || name_text.starts_with("CARGO_MANIFEST_") {
                cargo.env_remove(name);
            }
        }
        let built = cargo.status().expect("cargo runs");
        assert!(built.success(), "the functions are built");
        let test = std::env::current_exe().expect("the test's own path");
        let folder = test.parent().and_then(Path::parent).expect("target/debug");
        folder.to_owned()
    })
}
