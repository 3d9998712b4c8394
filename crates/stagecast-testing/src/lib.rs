//! An in-process AWS for unit tests.
//!
//! [`TestAws`] has the tables, queues and buckets of the development environment and the connections of its
//! WebSocket API. The AWS SDK's requests do not leave the process: stores, publishers and handlers run as
//! on AWS, with DynamoDB's conditions and transactions, but without a port or another process. Two
//! [`TestAws`] share nothing, so tests can run concurrently.
//!
//! [`fixtures`] creates what most tests need: a stopped clock, stores, a job, a connection.
//! [`http_api`] has the requests of the HTTP API and their responses.

pub mod fixtures;
pub mod http_api;
pub mod product;

use std::{
    ops::Range,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use local_aws::{Call, Calls, Fault, Faults, InProcess, LocalSecrets};
use serde_json::Value;
use stagecast_infra::{environments::Environment, project::Project, stack, template::Format};
use typed_contract::{functions::Function, queues::Queue, tables::Table};

/// The test product in the environment `dev`.
fn project() -> Project {
    Project::new(&product::PRODUCT, || vec![Environment::dev()])
}

/// The template of the development environment, synthesized once per process.
static TEMPLATE: LazyLock<Value> = LazyLock::new(|| {
    let template =
        stack::synthesize(project(), &Environment::dev()).expect("the stack can be synthesized");
    let template = template.to_json(Format::CloudFormation);
    template.expect("the template can be rendered")
});

/// DynamoDB, SQS, S3 and `@connections` of one test.
#[derive(Clone, Debug)]
pub struct TestAws(Arc<InProcess>);

impl Default for TestAws {
    fn default() -> Self {
        Self::new()
    }
}

impl TestAws {
    /// Empty tables, queues and buckets; no connection is open.
    ///
    /// # Panics
    ///
    /// When the development environment cannot be synthesized or opened.
    pub fn new() -> Self {
        let services = InProcess::open(&TEMPLATE, &project().local_stack_name());
        Self(Arc::new(
            services.expect("the template's services can be opened"),
        ))
    }

    /// The SDK configuration of the function `F`. Requests are not retried by the SDK, so that every
    /// fault reaches the code under test.
    pub fn config<F: Function>(&self) -> SdkConfig {
        let secret = self.0.secret();
        let credentials = Credentials::new(F::SPEC.name, secret, None, None, "in-process");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            // No request goes there. An address keeps S3's bucket names in the path.
            .endpoint_url("http://127.0.0.1")
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .http_client(local_aws::sdk_http_client(Arc::clone(&self.0)))
            .build()
    }

    /// The value of an environment variable that the template gives to the function `F`.
    pub fn variable<F: Function>(&self, name: &str) -> Option<String> {
        self.0.variable(F::SPEC.name, name).map(str::to_owned)
    }

    /// Opens a connection, which accepts every post.
    pub fn connect(&self, connection_id: &str) {
        self.0.connect(connection_id);
    }

    /// Closes a connection: posts to it fail with 410 from now on.
    pub fn disconnect(&self, connection_id: &str) {
        self.0.disconnect(connection_id);
    }

    /// The messages that were posted to an open connection since the last call, oldest first.
    ///
    /// # Panics
    ///
    /// When a post is not JSON.
    pub fn take_messages(&self, connection_id: &str) -> Vec<Value> {
        let posts = self.0.take_posts(connection_id);
        let messages = posts.iter().map(|post| serde_json::from_slice(post));
        messages
            .collect::<Result<_, _>>()
            .expect("posts are messages, which are JSON")
    }

    /// Every item of the table `T`, in DynamoDB's JSON: `{"job_id": {"S": "..."}}`.
    ///
    /// # Panics
    ///
    /// When the template has no such table.
    pub fn items<T: Table>(&self) -> Vec<Value> {
        self.0
            .items(T::SPEC.name)
            .expect("the template has every table of the contract")
    }

    /// The bodies of the messages in the queue `Q`, visible or not, oldest first.
    ///
    /// # Panics
    ///
    /// When the template has no such queue, or a message is not JSON.
    pub fn queued<Q: Queue>(&self) -> Vec<Value> {
        let bodies = self.0.queue_messages(Q::SPEC.name);
        let bodies = bodies.expect("the template has every queue of the contract");
        let messages = bodies.iter().map(|body| serde_json::from_str(body));
        messages
            .collect::<Result<_, _>>()
            .expect("messages of queues are JSON")
    }

    /// The values of secrets and of parameters of SSM Parameter Store, at first none.
    pub fn secrets(&self) -> &LocalSecrets {
        self.0.secrets()
    }

    /// The calls so far. A call's resource is the name of its table, queue or bucket.
    pub fn calls(&self) -> &Calls {
        self.0.calls()
    }

    /// The faults to inject.
    pub fn faults(&self) -> &Faults {
        self.0.faults()
    }

    /// Lets `fault` happen to some of the calls that `matches` is true for: those with a number in
    /// `numbers`, counted from 0 and from now on. Replaces the calls' faults before it.
    pub fn fail(
        &self,
        numbers: Range<usize>,
        fault: Fault,
        matches: impl Fn(&Call) -> bool + Send + Sync + 'static,
    ) {
        let next = AtomicUsize::new(0);
        self.faults().on_call(move |call| {
            let fails = matches(call) && numbers.contains(&next.fetch_add(1, Ordering::Relaxed));
            fails.then_some(fault)
        });
    }
}
