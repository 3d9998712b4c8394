//! An in-process AWS for unit tests.
//!
//! [`TestAws`] has the tables, queues and buckets of a product's development environment and the connections of
//! its WebSocket API. The AWS SDK's requests do not leave the process: stores, publishers and handlers run as
//! on AWS, with DynamoDB's conditions and transactions, but without a port or another process. Two
//! [`TestAws`] share nothing, so tests can run concurrently.
//!
//! [`fixtures`] creates what most tests need: a stopped clock, stores, a job, a connection.
//! [`owner_tokens`] signs tokens. [`webhooks`] receives webhooks. [`http_api`] has the requests of the HTTP API and their responses.

pub mod fixtures;
pub mod http_api;
pub mod owner_tokens;
pub mod product;
pub mod webhooks;

use std::{
    ops::Range,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use bytes::Bytes;
use granted_aws::{Aws, Environment};
use http::{Request, Response};
use local_aws::InProcess;
pub use local_aws::{Call, Calls, Fault, Faults, LocalSecrets, Times};
use serde_json::Value;
use stagecast_infra::{environments, project::Project, stack, template::Format};
use typed_contract::{functions::Function, queues::Queue, tables::Table};

/// The test product in the environment `dev`.
fn project() -> Project {
    Project::new(&product::PRODUCT, || vec![environments::Environment::dev()])
}

/// The template of the development environment, synthesized once per process.
static TEMPLATE: LazyLock<Value> = LazyLock::new(|| template(project()));

fn template(project: Project) -> Value {
    let environment = project.development().expect("the environment dev");
    let template = stack::synthesize(project, &environment).expect("the stack can be synthesized");
    let template = template.to_json(Format::CloudFormation);
    template.expect("the template can be rendered")
}

/// DynamoDB, SQS, S3 and `@connections` of one test.
#[derive(Clone, Debug)]
pub struct TestAws {
    services: Arc<InProcess>,
    /// What precedes and follows the declared names of tables and queues.
    affixes: Arc<(String, String)>,
}

impl Default for TestAws {
    fn default() -> Self {
        Self::new()
    }
}

impl TestAws {
    /// Empty tables, queues and buckets of a product that has only what the job system has; no connection is
    /// open.
    ///
    /// # Panics
    ///
    /// When the development environment cannot be synthesized or opened.
    pub fn new() -> Self {
        Self::open(&TEMPLATE, project())
    }

    /// [`Self::new`] for a product: with its tables, queues and buckets, and the variables of its functions.
    ///
    /// # Panics
    ///
    /// When the environment `dev` does not exist, or cannot be synthesized or opened.
    pub fn of(project: Project) -> Self {
        Self::open(&template(project), project)
    }

    fn open(template: &Value, project: Project) -> Self {
        let services = InProcess::open(template, &project.local_stack_name());
        let environment = project.development().expect("the environment dev");
        let suffix = environment.name_suffix.as_str().to_owned();
        Self {
            services: Arc::new(services.expect("the template's services can be opened")),
            affixes: Arc::new((project.product.name_prefix.to_owned(), suffix)),
        }
    }

    /// The name of a table or queue that is declared as `name`.
    fn physical_name(&self, name: &str) -> String {
        let (prefix, suffix) = &*self.affixes;
        format!("{prefix}{name}{suffix}")
    }

    /// The SDK configuration of the function `F`. Requests are not retried by the SDK, so that every
    /// fault reaches the code under test.
    pub fn config<F: Function>(&self) -> Aws {
        let secret = self.services.secret();
        let credentials = Credentials::new(F::SPEC.name, secret, None, None, "in-process");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            // No request goes there. An address keeps S3's bucket names in the path.
            .endpoint_url("http://127.0.0.1")
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .build();
        Aws::new(
            config,
            local_aws::sdk_http_connector(Arc::clone(&self.services)),
        )
    }

    /// The value of an environment variable that the template gives to the function `F`.
    pub fn variable<F: Function>(&self, name: &str) -> Option<String> {
        self.services
            .variable(F::SPEC.name, name)
            .map(str::to_owned)
    }

    /// The environment variables that the template gives to the function `F`.
    ///
    /// # Panics
    ///
    /// When the template does not set a variable that the function reads, because the product does not have
    /// the function.
    pub fn environment<F: Function>(&self) -> Environment<F> {
        Environment::read(|name| self.variable::<F>(name))
            .expect("the template sets every variable")
    }

    /// Answers the calls of services that are not emulated, such as SNS. `answer` gets the name of the service,
    /// such as `sns`, and the request; with `None`, the call fails with an error that names the service.
    pub fn answer_other_services(
        &self,
        answer: impl Fn(&str, &Request<Bytes>) -> Option<Response<Bytes>> + Send + Sync + 'static,
    ) {
        self.services.answer_other_services(answer);
    }

    /// Opens a connection, which accepts every post.
    pub fn connect(&self, connection_id: &str) {
        self.services.connect(connection_id);
    }

    /// Closes a connection: posts to it fail with 410 from now on.
    pub fn disconnect(&self, connection_id: &str) {
        self.services.disconnect(connection_id);
    }

    /// The messages that were posted to an open connection since the last call, oldest first.
    ///
    /// # Panics
    ///
    /// When a post is not JSON.
    pub fn take_messages(&self, connection_id: &str) -> Vec<Value> {
        let posts = self.services.take_posts(connection_id);
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
        self.services
            .items(&self.physical_name(T::SPEC.name))
            .expect("the template has every table of the contract")
    }

    /// The bodies of the messages in the queue `Q`, visible or not, oldest first.
    ///
    /// # Panics
    ///
    /// When the template has no such queue, or a message is not JSON.
    pub fn queued<Q: Queue>(&self) -> Vec<Value> {
        let bodies = self
            .services
            .queue_messages(&self.physical_name(Q::SPEC.name));
        let bodies = bodies.expect("the template has every queue of the contract");
        let messages = bodies.iter().map(|body| serde_json::from_str(body));
        messages
            .collect::<Result<_, _>>()
            .expect("messages of queues are JSON")
    }

    /// Sends a part of an input, or an artifact, to the URL that `part` has, an element of an upload's `parts`
    /// or the answer to the announcement of an artifact. Returns the
    /// status and the body of the response.
    ///
    /// # Panics
    ///
    /// When `part` has no valid URL and headers, or a fault drops the response.
    pub async fn upload(&self, part: &Value, bytes: impl Into<Bytes>) -> (u16, String) {
        let url = part["url"].as_str().expect("a part has a URL");
        let mut request = http::Request::put(url).header("host", "127.0.0.1");
        for (name, value) in part["headers"].as_object().expect("a part has headers") {
            request = request.header(name, value.as_str().unwrap_or_default());
        }
        let request = request.body(bytes.into()).expect("a valid request");
        let response = self.services.handle(request).await.expect("a response");
        let (head, body) = response.into_parts();
        let body = String::from_utf8_lossy(&body).into_owned();
        (head.status.as_u16(), body)
    }

    /// Reads from a presigned URL of the bucket. Returns the status, the headers and the body of the response.
    ///
    /// # Panics
    ///
    /// When it is no URL, or a fault drops the response.
    pub async fn download(&self, url: &str) -> (u16, http::HeaderMap, Bytes) {
        let request = http::Request::get(url).header("host", "127.0.0.1");
        let request = request.body(Bytes::new()).expect("a valid request");
        let response = self.services.handle(request).await.expect("a response");
        let (head, body) = response.into_parts();
        (head.status.as_u16(), head.headers, body)
    }

    /// The values of secrets and of parameters of SSM Parameter Store, at first none.
    pub fn secrets(&self) -> &LocalSecrets {
        self.services.secrets()
    }

    /// The calls so far. A call's resource is the name of its table, queue or bucket.
    pub fn calls(&self) -> &Calls {
        self.services.calls()
    }

    /// The faults to inject.
    pub fn faults(&self) -> &Faults {
        self.services.faults()
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

#[cfg(test)]
mod tests {
    use stagecast_contract::{product::Product, queues::JobQueue, tables::Jobs};

    use super::*;

    const PREFIXED: Product = Product {
        name_prefix: "shop-",
        ..product::PRODUCT
    };

    #[test]
    fn tables_and_queues_of_a_product_with_a_prefix_are_found() {
        let project = Project::new(&PREFIXED, || vec![environments::Environment::dev()]);
        let aws = TestAws::of(project);
        assert!(aws.items::<Jobs>().is_empty());
        assert!(aws.queued::<JobQueue>().is_empty());
    }
}
