//! The services of a stack without its port and without its functions' processes, for unit tests.

use std::{collections::BTreeMap, sync::Mutex};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;

use crate::{
    Calls, DynamoDbError, Faults, StartError,
    faults::Post,
    http_util,
    services::{Services, with_fault},
    stack::SECRET,
    storage::Storage,
    template::{FunctionResource, StackLocation, System},
    websocket::management,
};

/// DynamoDB, S3 and SQS of a template and `@connections`, in this process: no port, no functions,
/// nothing kept.
///
/// A test sends them what the AWS SDK would send over the network. They are the same services as
/// those of a [`LocalStack`](crate::LocalStack), with the same conditions, conflicts and faults.
#[derive(Debug)]
pub struct InProcess {
    services: Services,
    functions: Vec<FunctionResource>,
    /// What was posted to the open connections, by their ids.
    connections: Mutex<BTreeMap<String, Vec<Bytes>>>,
}

impl InProcess {
    /// The services with the tables, buckets and queues of `template`, which is CloudFormation's
    /// long-form JSON. All are empty.
    ///
    /// # Errors
    ///
    /// When the template cannot be read, or a table, bucket or queue cannot be made.
    pub fn open(template: &Value) -> Result<Self, StartError> {
        let location = StackLocation::of("in-process");
        let system = System::read(template, &BTreeMap::new(), &location)?;
        let storage = Storage::open(None, &system, SECRET)?;
        let callers = system
            .functions
            .iter()
            .map(|function| (function.binary.clone(), function.binary.clone()))
            .collect();
        Ok(Self {
            services: Services::new(storage, callers),
            functions: system.functions,
            connections: Mutex::default(),
        })
    }

    /// The secret access key that requests are signed with. The access key id is the name of the
    /// function that calls, and [`Calls`] name the caller by it.
    pub fn secret(&self) -> &'static str {
        SECRET
    }

    /// An environment variable that the template gives to a function, which is named as in the
    /// contract.
    pub fn variable(&self, function: &str, name: &str) -> Option<&str> {
        let function = self
            .functions
            .iter()
            .find(|known| known.binary == function)?;
        function.environment.get(name).map(String::as_str)
    }

    /// The response to a request; none when a [fault](crate::Fault::LostResponse) loses it.
    pub async fn answer(&self, request: Request<Bytes>) -> Option<Response<Bytes>> {
        let response = match management::any_connection_of(request.uri().path()) {
            Some(id) => self.post(&id, &request).await?,
            None => self.services.handle(request.map(Full::new)).await?,
        };
        let (head, body) = response.into_parts();
        // A body that ends early is a lost response, too.
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
            match self.lock().get_mut(id) {
                Some(posts) => {
                    posts.push(request.body().clone());
                    http_util::empty(StatusCode::OK)
                }
                None => management::gone(),
            }
        };
        with_fault(fault, management::fault_response, answer).await
    }

    /// Opens a connection, which takes every post.
    pub fn connect(&self, connection_id: &str) {
        self.lock().insert(connection_id.to_owned(), Vec::new());
    }

    /// Closes a connection: posts to it are refused with 410 from now on.
    pub fn disconnect(&self, connection_id: &str) {
        self.lock().remove(connection_id);
    }

    /// What was posted to an open connection since it was opened or last asked, oldest first.
    pub fn take_posts(&self, connection_id: &str) -> Vec<Bytes> {
        let mut connections = self.lock();
        let posts = connections.get_mut(connection_id).map(std::mem::take);
        posts.unwrap_or_default()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Vec<Bytes>>> {
        self.connections
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The recorded calls.
    pub fn calls(&self) -> &Calls {
        &self.services.calls
    }

    /// The hooks for fault injection.
    pub fn faults(&self) -> &Faults {
        &self.services.faults
    }

    /// Every item of a table, in DynamoDB's JSON.
    ///
    /// # Errors
    ///
    /// When there is no table of that name.
    pub fn items(&self, table: &str) -> Result<Vec<Value>, DynamoDbError> {
        self.services.storage.dynamodb.items(table)
    }

    /// The bodies of the messages in a queue, in whatever state, oldest first; none if there is no
    /// queue of that name.
    pub fn queue_messages(&self, queue: &str) -> Option<Vec<String>> {
        self.services.storage.queue_messages(queue)
    }
}
