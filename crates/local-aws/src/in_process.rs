//! The services of a stack within the current process, for unit tests.

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;

use crate::{
    Calls, DynamoDbError, Faults, StartError,
    faults::Post,
    http_util::{self, signed_service},
    other_services::is_other,
    secrets::LocalSecrets,
    services::{Services, with_fault},
    stack::SECRET,
    storage::Storage,
    sync::Mutex,
    template::{FunctionResource, StackLocation, System},
    websocket::management,
};

/// A template's DynamoDB, S3 and SQS, secrets, and `@connections`, without a port, functions and a data folder.
///
/// A test passes the requests of the AWS SDK to [`InProcess::handle`] instead of the network. The services
/// are those of a [`LocalStack`](crate::LocalStack), with the same conditions, conflicts and faults.
pub struct InProcess {
    services: Services,
    functions: Vec<FunctionResource>,
    /// The open connections by id, each with its received posts.
    connections: Mutex<BTreeMap<String, Vec<Bytes>>>,
    other_services: Mutex<Option<Box<OtherAnswer>>>,
}

/// The answer to a request that is signed for a service.
type OtherAnswer = dyn Fn(&str, &Request<Bytes>) -> Option<Response<Bytes>> + Send + Sync;

impl fmt::Debug for InProcess {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("InProcess")
            .field("services", &self.services)
            .field("functions", &self.functions)
            .finish_non_exhaustive()
    }
}

impl InProcess {
    /// Creates the empty tables, buckets and queues of `template`, which is in CloudFormation's long form as
    /// JSON. `stack_name` is the value of `AWS::StackName`, and part of the names that the template does not
    /// give.
    ///
    /// # Errors
    ///
    /// If the template is invalid, or a table, bucket or queue cannot be created.
    pub fn open(template: &Value, stack_name: &str) -> Result<Self, StartError> {
        let location = StackLocation::new("in-process", stack_name);
        let system = System::read(template, &BTreeMap::new(), &location)?;
        let storage = Storage::open(None, &system, SECRET)?;
        let callers = system
            .functions
            .iter()
            .map(|function| (function.binary.clone(), function.binary.clone()))
            .collect();
        Ok(Self {
            services: Services::new(
                storage,
                callers,
                LocalSecrets::default(),
                "`InProcess::secrets`",
            ),
            functions: system.functions,
            connections: Mutex::default(),
            other_services: Mutex::default(),
        })
    }

    /// The secret access key for signing requests. The access key id must be the name of the calling
    /// function's executable, which becomes [`Call::caller`](crate::Call::caller).
    pub fn secret(&self) -> &'static str {
        SECRET
    }

    /// An environment variable of a function (by the name of its executable), from the template.
    pub fn variable(&self, function: &str, name: &str) -> Option<&str> {
        let function = self
            .functions
            .iter()
            .find(|known| known.binary == function)?;
        function.environment.get(name).map(String::as_str)
    }

    /// Answers the requests of services that this crate does not have, such as SNS, with `answer`. It gets the
    /// name of the service in the request's signature, such as `sns`, and the request; with `None`, the request
    /// fails with an error that names the service, as without this call. Replaces the answer of an earlier call.
    pub fn answer_other_services(
        &self,
        answer: impl Fn(&str, &Request<Bytes>) -> Option<Response<Bytes>> + Send + Sync + 'static,
    ) {
        *self.other_services.lock() = Some(Box::new(answer));
    }

    /// The answer of [`Self::answer_other_services`] to a request of another service.
    fn other_answer(&self, request: &Request<Bytes>) -> Option<Response<Bytes>> {
        let service = signed_service(request).filter(|service| is_other(service))?;
        self.other_services.lock().as_ref()?(&service, request)
    }

    /// Serves a request. Returns `None` if a [fault](crate::Fault::LostResponse) drops the response.
    pub async fn handle(&self, request: Request<Bytes>) -> Option<Response<Bytes>> {
        if let Some(answer) = self.other_answer(&request) {
            return Some(answer);
        }
        let response = match management::any_connection_of(request.uri().path()) {
            Some(id) => self.post(&id, &request).await?,
            None => Box::pin(self.services.handle(request.map(Full::new))).await?,
        };
        let (head, body) = response.into_parts();
        // A truncated body is a lost response too.
        let body = body.collect().await.ok()?.to_bytes();
        Some(Response::from_parts(head, body))
    }

    async fn post(&self, id: &str, request: &Request<Bytes>) -> Option<http_util::Response> {
        let caller = self.services.caller(request);
        let call = management::call(&caller, request.method());
        self.services.calls.record(&[call]);
        let post = Post {
            caller: &caller,
            connection_id: id,
            body: request.body(),
        };
        let fault = self.services.faults.of_post(&post);
        let answer = async {
            match self.connections.lock().get_mut(id) {
                Some(posts) => {
                    posts.push(request.body().clone());
                    http_util::empty(StatusCode::OK)
                }
                None => management::gone(),
            }
        };
        with_fault(fault, management::fault_response, answer).await
    }

    /// Opens a connection, which accepts all posts.
    pub fn connect(&self, connection_id: &str) {
        self.connections
            .lock()
            .insert(connection_id.to_owned(), Vec::new());
    }

    /// Closes a connection. Later posts to it get a 410.
    pub fn disconnect(&self, connection_id: &str) {
        self.connections.lock().remove(connection_id);
    }

    /// Takes the posts to an open connection since the last call, oldest first.
    pub fn take_posts(&self, connection_id: &str) -> Vec<Bytes> {
        let mut connections = self.connections.lock();
        let posts = connections.get_mut(connection_id).map(std::mem::take);
        posts.unwrap_or_default()
    }

    /// The recorded calls to the services.
    pub fn calls(&self) -> &Calls {
        &self.services.calls
    }

    /// The values of secrets and of parameters of SSM Parameter Store, at first none.
    pub fn secrets(&self) -> &LocalSecrets {
        &self.services.secrets
    }

    /// The hooks for fault injection.
    pub fn faults(&self) -> &Faults {
        &self.services.faults
    }

    /// Every item of a table, in DynamoDB's JSON.
    ///
    /// # Errors
    ///
    /// If there is no table of that name.
    pub fn items(&self, table: &str) -> Result<Vec<Value>, DynamoDbError> {
        self.services.storage.dynamodb.items(table)
    }

    /// The bodies of all messages in a queue, oldest first, in-flight and delayed ones included; `None`
    /// if there is no queue of that name.
    pub fn queue_messages(&self, queue: &str) -> Option<Vec<String>> {
        self.services.storage.queue_messages(queue)
    }
}
