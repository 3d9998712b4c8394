//! The stack: everything that the template describes, started and stopped together.

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
    logs::{LogLine, Logs},
    options::{Options, Urls},
    recorder::Calls,
    server::{self, Router},
    services::Services,
    sqs::QueueDepth,
    storage::Storage,
    template::{Authorizer, EventSource, FunctionResource, Place, System},
    websocket::WebSocketApi,
};

/// The secret of every access key, the one that tools for local AWS endpoints expect.
pub(crate) const SECRET: &str = "test";

/// How often expired items are deleted.
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);

/// A running stack. It stops when it is dropped, or in order with [`LocalStack::shutdown`].
#[derive(Debug)]
pub struct LocalStack {
    router: Arc<Router>,
    functions: Arc<Functions>,
    logs: Logs,
    warnings: Vec<String>,
    outputs: BTreeMap<String, String>,
    shutdown: watch::Sender<bool>,
    tasks: JoinSet<()>,
    /// Keeps other stacks from the data as long as this one runs.
    _data_dir: Option<DataDir>,
}

impl LocalStack {
    /// Starts everything that the template describes.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let (listener, place) = listen(options.port).await?;
        let system = System::read(&options.template, &options.parameters, &place)?;
        let mut system = options.applied_to(system);
        add_authorizers(&mut system, &options.binaries, &place);
        let data_dir = options.data_dir.as_deref().map(DataDir::open).transpose()?;
        let storage = Storage::open(data_dir.as_ref(), &system, SECRET)?;
        let (shutdown, down) = watch::channel(false);
        let logs = Logs::new(options.show_logs);
        let host = Arc::new(Host {
            binaries: options.binaries,
            authority: place.authority.clone(),
            region: place.region.clone(),
            secret: SECRET.to_owned(),
            concurrency: options.concurrency,
            instances: Instances::default(),
            logs: logs.clone(),
            shutdown: down.clone(),
        });
        let functions = functions(&system, &host)?;
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
            http_api: place.http_base(),
            websocket: format!("{}/{stage}", place.websocket_base()),
            endpoint_url: place.http_base(),
        };
        let callers = functions
            .values()
            .map(|function| (function.access_key_id(), function.name().to_owned()))
            .collect();
        let http = system
            .http
            .map(|resource| HttpApi::new(resource, Arc::clone(&functions)));
        let router = Arc::new(Router {
            urls,
            hosts: HostCheck::new(&options.allowed_hosts),
            websocket,
            http,
            runtime_api: RuntimeApi {
                instances: Arc::clone(&host.instances),
            },
            services: Services::new(storage, callers),
            book: options.book,
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
        stack.run(listener, &system.event_sources, &place);
        Ok(stack)
    }

    fn run(&mut self, listener: TcpListener, event_sources: &[EventSource], place: &Place) {
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
                let (source, region) = (source.clone(), place.region.clone());
                self.tasks
                    .spawn(event_source::poll(source, queue, function, region));
            }
        }
        for function in self.functions.values() {
            // What is wrong shows with the first event, too; this only spares it the start.
            if let Err(error) = function.warm() {
                tracing::error!("{error}");
            }
        }
    }

    /// Where the stack is reached.
    pub fn urls(&self) -> &Urls {
        &self.router.urls
    }

    /// The template's outputs, with the addresses that things have here.
    pub fn outputs(&self) -> &BTreeMap<String, String> {
        &self.outputs
    }

    /// What in the template has no effect here, in sentences.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// What goes wrong on purpose.
    pub fn faults(&self) -> &Faults {
        &self.router.services.faults
    }

    /// The calls to AWS services so far.
    pub fn calls(&self) -> &Calls {
        &self.router.services.calls
    }

    /// The last lines that the functions wrote.
    pub fn logs(&self) -> Vec<LogLine> {
        self.logs.lines()
    }

    /// API Gateway's ids of the open WebSocket connections.
    pub fn connection_ids(&self) -> Vec<String> {
        let websocket = self.router.websocket.as_ref();
        websocket
            .map(|api| api.connection_ids())
            .unwrap_or_default()
    }

    /// Every item of a table, in DynamoDB's JSON: `{"job_id": {"S": "..."}}`.
    pub fn items(&self, table: &str) -> Result<Vec<Value>, DynamoDbError> {
        self.router.services.storage.dynamodb.items(table)
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

    /// The bodies of the messages in a queue, in whatever state, oldest first; `None` if there is no
    /// queue of that name.
    pub fn queue_messages(&self, queue: &str) -> Option<Vec<String>> {
        self.router.services.storage.queue_messages(queue)
    }

    /// Ends the processes of a function (by its name in the contract), busy or not.
    pub fn kill(&self, function: &str) {
        for candidate in self.functions.values() {
            if candidate.name() == function {
                candidate.kill();
            }
        }
    }

    /// How many events each function (by its name in the contract) works on; those that work on none
    /// are left out.
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

    /// Closes the connections and ends the functions' processes.
    pub async fn shutdown(mut self) {
        self.stop();
        self.tasks.shutdown().await;
        self.router.runtime_api.wait_for_the_end().await;
    }
}

impl Drop for LocalStack {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Takes the port, and with it the place where everything will be.
async fn listen(port: u16) -> Result<(TcpListener, Place), StartError> {
    let cannot = |source: io::Error| {
        if source.kind() == io::ErrorKind::AddrInUse {
            StartError::PortInUse { port }
        } else {
            StartError::Listen { port, source }
        }
    };
    let listener = TcpListener::bind(("127.0.0.1", port))
        .await
        .map_err(cannot)?;
    let place = Place::of(&listener.local_addr().map_err(cannot)?.to_string());
    Ok((listener, place))
}

/// Adds the functions that authorizers ask: they are not in the template. One without an executable is
/// not asked, and a warning says that its route is open.
fn add_authorizers(system: &mut System, binaries: &Path, place: &Place) {
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
            let (region, account) = (&place.region, &place.account);
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
                "the authorizer of '{key}' is not run locally, so the route is open: its function \
                 '{function}' has no executable at {}",
                path.display()
            ));
            target.authorizer = None;
        }
    }
}

fn functions(system: &System, host: &Arc<Host>) -> Result<Arc<Functions>, StartError> {
    let mut functions = Functions::new();
    for resource in &system.functions {
        let path = executable(&host.binaries, &resource.binary);
        if !path.is_file() {
            return Err(StartError::NoExecutable {
                function: resource.binary.clone(),
                path,
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
