//! Starts and stops everything in the template.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde_json::Value;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use crate::{
    data_dir::DataDir,
    dynamodb::DynamoDbError,
    error::StartError,
    event_source,
    faults::Faults,
    host_check::HostCheck,
    http_api::HttpApi,
    lambda::{Function, Functions, Host, Instances, RuntimeApi},
    log_events::LogEvents,
    logs::{LogLine, Logs},
    options::Options,
    recorder::Calls,
    server::{self, Router},
    services::Services,
    sqs::QueueDepth,
    storage::Storage,
    template::{Authorizer, EventSource, FunctionResource, StackLocation, System},
    urls::Urls,
    websocket::WebSocketApi,
};

/// The secret of all access keys; the usual one for local AWS endpoints.
pub(crate) const SECRET: &str = "test";

/// How often expired items are deleted.
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);

/// A running stack. [`LocalStack::shutdown`] stops it in order; dropping it stops it at once.
#[derive(Debug)]
pub struct LocalStack {
    router: Arc<Router>,
    functions: Arc<Functions>,
    logs: Logs,
    warnings: Vec<String>,
    outputs: BTreeMap<String, String>,
    shutdown: watch::Sender<bool>,
    tasks: JoinSet<()>,
    /// Holds the lock on the data folder.
    _data_dir: Option<DataDir>,
}

impl LocalStack {
    /// Starts everything in the template. Returns when the stack accepts requests.
    ///
    /// # Errors
    ///
    /// If the template is invalid or uses what the stack does not support, an executable is missing, or the
    /// port or the data folder cannot be used. Nothing runs then.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let (listener, location) = listen(&options).await?;
        let system = System::read(&options.template, &options.parameters, &location)?;
        let mut system = options.applied_to(system);
        add_authorizers(&mut system, &options.binaries, &location);
        let data_dir = options.data_dir.as_deref();
        let data_dir = data_dir.map(|path| DataDir::open(path, options.names.data_dir));
        let data_dir = data_dir.transpose()?;
        let storage = Storage::open(data_dir.as_ref(), &system, SECRET)?;
        let (shutdown, down) = watch::channel(false);
        let logs = Logs::new(options.show_logs);
        let host = Arc::new(Host {
            binaries: options.binaries,
            authority: location.authority.clone(),
            region: location.region.clone(),
            secret: SECRET.to_owned(),
            concurrency: options.concurrency,
            instances: Instances::default(),
            logs: logs.clone(),
            shutdown: down.clone(),
        });
        let functions = functions(&system, &host, options.names.binaries)?;
        let websocket = system.websocket.map(|resource| {
            let functions = Arc::clone(&functions);
            Arc::new(WebSocketApi::new(
                resource,
                options.websocket,
                functions,
                down,
            ))
        });
        let stage = websocket.as_ref().map_or("", |api| api.stage());
        let urls = Urls {
            http_api: location.http_base(),
            websocket: format!("{}/{stage}", location.websocket_base()),
            endpoint_url: location.http_base(),
        };
        let callers = functions
            .values()
            .map(|function| (function.access_key_id(), function.name().to_owned()))
            .collect();
        let function_names = functions.values();
        let function_names = function_names.map(|function| function.name().to_owned());
        let function_names = function_names.collect();
        let http = system
            .http
            .map(|resource| HttpApi::new(resource, Arc::clone(&functions)));
        let router = Arc::new(Router {
            urls,
            hosts: HostCheck::new(&options.allowed_hosts, options.names.allowed_hosts),
            websocket,
            http,
            runtime_api: RuntimeApi {
                instances: Arc::clone(&host.instances),
            },
            log_events: LogEvents::new(logs.clone(), function_names),
            services: Services::new(storage, callers, options.secrets, options.names.secrets),
            site: options.site,
        });
        let mut stack = Self {
            router,
            functions,
            logs,
            warnings: system.warnings,
            outputs: system.outputs,
            shutdown,
            tasks: JoinSet::new(),
            _data_dir: data_dir,
        };
        stack.run(listener, &system.event_sources, &location);
        Ok(stack)
    }

    fn run(
        &mut self,
        listener: TcpListener,
        event_sources: &[EventSource],
        location: &StackLocation,
    ) {
        let router = Arc::clone(&self.router);
        self.tasks
            .spawn(async move { match server::serve(listener, router).await {} });
        let dynamodb = self.router.services.storage.dynamodb.clone();
        self.tasks.spawn(async move {
            loop {
                tokio::time::sleep(SWEEP_INTERVAL).await;
                dynamodb.sweep().await;
            }
        });
        for source in event_sources {
            let queue = self.router.services.storage.sqs.queue(&source.queue);
            let function = self.functions.get(&source.function);
            if let (Some(queue), Some(function)) = (queue, function) {
                let (queue, function) = (Arc::clone(queue), Arc::clone(function));
                let (source, region) = (source.clone(), location.region.clone());
                self.tasks
                    .spawn(event_source::poll(source, queue, function, region));
            }
        }
        for function in self.functions.values() {
            // Only saves the first event the start-up time. An error appears again with that event.
            if let Err(error) = function.warm() {
                tracing::error!("{error}");
            }
        }
    }

    /// The stack's addresses.
    pub fn urls(&self) -> &Urls {
        &self.router.urls
    }

    /// The template's outputs, with local addresses.
    pub fn outputs(&self) -> &BTreeMap<String, String> {
        &self.outputs
    }

    /// Sentences about parts of the template that have no effect here.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The hooks for fault injection.
    pub fn faults(&self) -> &Faults {
        &self.router.services.faults
    }

    /// The recorded calls to AWS services.
    pub fn calls(&self) -> &Calls {
        &self.router.services.calls
    }

    /// The last 20,000 lines of the functions' logs.
    pub fn logs(&self) -> Vec<LogLine> {
        self.logs.lines()
    }

    /// The ids of the open WebSocket connections.
    pub fn connection_ids(&self) -> Vec<String> {
        let websocket = self.router.websocket.as_ref();
        websocket
            .map(|api| api.connection_ids())
            .unwrap_or_default()
    }

    /// Every item of a table, in DynamoDB's JSON: `{"order_id": {"S": "..."}}`.
    ///
    /// # Errors
    ///
    /// If there is no table of that name.
    pub fn items(&self, table: &str) -> Result<Vec<Value>, DynamoDbError> {
        self.router.services.storage.dynamodb.items(table)
    }

    /// Stores an item of a table, in DynamoDB's JSON: `{"order_id": {"S": "..."}}`. Replaces one with the same key.
    ///
    /// # Errors
    ///
    /// If there is no table of that name, or the item has no key of it.
    pub fn put_item(&self, table: &str, item: &Value) -> Result<(), DynamoDbError> {
        self.router.services.storage.dynamodb.put_item(table, item)
    }

    /// How many messages a queue holds; `None` if there is no queue of that name.
    pub fn queue_depth(&self, queue: &str) -> Option<QueueDepth> {
        self.router
            .services
            .storage
            .sqs
            .queue(queue)
            .map(|queue| queue.depth())
    }

    /// The bodies of all messages in a queue, oldest first, in-flight and delayed ones included; `None`
    /// if there is no queue of that name.
    pub fn queue_messages(&self, queue: &str) -> Option<Vec<String>> {
        self.router.services.storage.queue_messages(queue)
    }

    /// Kills all processes of a function (by the name of its executable), busy or idle.
    pub fn kill(&self, function: &str) {
        for candidate in self.functions.values() {
            if candidate.name() == function {
                candidate.kill();
            }
        }
    }

    /// The number of running invocations of each function (by the name of its executable), without idle
    /// functions.
    pub fn busy_functions(&self) -> BTreeMap<String, usize> {
        let functions = self.functions.values();
        let busy = functions.map(|function| (function.name().to_owned(), function.busy()));
        busy.filter(|(_, count)| *count > 0).collect()
    }

    fn stop(&self) {
        self.shutdown.send_replace(true);
        for function in self.functions.values() {
            function.kill();
        }
    }

    /// Closes the connections and waits for the functions' processes to end.
    pub async fn shutdown(mut self) {
        self.stop();
        self.tasks.shutdown().await;
        self.router.runtime_api.wait_for_all_exits().await;
    }
}

impl Drop for LocalStack {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Binds the port, which determines all local addresses.
async fn listen(options: &Options) -> Result<(TcpListener, StackLocation), StartError> {
    let (port, option) = (options.port, options.names.port);
    let cannot = |source: io::Error| {
        if source.kind() == io::ErrorKind::AddrInUse {
            StartError::PortInUse { port, option }
        } else {
            StartError::Listen {
                port,
                source,
                option,
            }
        }
    };
    let listener = TcpListener::bind(("127.0.0.1", port))
        .await
        .map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?.to_string();
    let location = StackLocation::new(&address, &options.stack_name);
    Ok((listener, location))
}

/// Adds the authorizer functions, which are not in the template. An authorizer without an executable is
/// skipped, with a warning that its route is open.
fn add_authorizers(system: &mut System, binaries: &Path, location: &StackLocation) {
    let Some(websocket) = &mut system.websocket else {
        return;
    };
    for (key, target) in &mut websocket.routes {
        let Some(Authorizer::Request { function, .. }) = &target.authorizer else {
            continue;
        };
        if system.functions.iter().any(|known| known.name == *function) {
            continue;
        }
        let path = executable(binaries, function);
        if path.is_file() {
            let (region, account) = (&location.region, &location.account);
            system.functions.push(FunctionResource {
                name: function.clone(),
                binary: function.clone(),
                arn: format!("arn:aws:lambda:{region}:{account}:function:{function}"),
                timeout: Duration::from_secs(29),
                memory_mib: 512,
                reserved_concurrency: None,
                environment: BTreeMap::new(),
            });
        } else {
            system.warnings.push(format!(
                "the authorizer of '{key}' does not run locally, so the route is open: its function \
                 '{function}' has no executable at {}",
                path.display()
            ));
            target.authorizer = None;
        }
    }
}

fn functions(
    system: &System,
    host: &Arc<Host>,
    option: &'static str,
) -> Result<Arc<Functions>, StartError> {
    let mut functions = Functions::new();
    for resource in &system.functions {
        let path = executable(&host.binaries, &resource.binary);
        if !path.is_file() {
            return Err(StartError::NoExecutable {
                function: resource.binary.clone(),
                path,
                option,
            });
        }
        let function = Function::new(resource.clone(), path, Arc::clone(host));
        functions.insert(resource.name.clone(), Arc::new(function));
    }
    Ok(Arc::new(functions))
}

fn executable(binaries: &Path, name: &str) -> PathBuf {
    let mut path = binaries.join(name);
    path.set_extension(std::env::consts::EXE_EXTENSION);
    path
}
