//! A function: one process per concurrent invocation, up to its limit.

use std::{path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    process::Command,
    sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch},
};

use super::{
    instance::{FunctionError, Instance, Instances, Invocation, Launch},
    runtime_api::PREFIX,
};
use crate::{ids, logs::Logs, sync::Mutex, template::FunctionResource};

/// Largest event and largest result of a synchronous invocation, in bytes.
const MAX_PAYLOAD_BYTES: usize = 6 * 1024 * 1024 + 100;

/// Timeout for a process to request its first event. Lambda allows 10 seconds, but a development machine
/// may be busy with a build.
const INIT_TIMEOUT: Duration = Duration::from_mins(1);

/// Environment variables that functions inherit from the stack.
const INHERITED_VARIABLES: &[&str] = &[
    "LLVM_PROFILE_FILE",
    "PATH",
    "RUST_BACKTRACE",
    "SystemRoot",
    "TMPDIR",
];

/// The prefix of the variables with the endpoint of one service, such as `AWS_ENDPOINT_URL_SNS`, which functions
/// inherit as well.
const SERVICE_ENDPOINT_PREFIX: &str = "AWS_ENDPOINT_URL_";

/// Why an invocation has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvokeError {
    /// The event is over Lambda's limit.
    #[error("the event has {bytes} bytes; Lambda's limit is {MAX_PAYLOAD_BYTES}")]
    EventTooLarge {
        /// The size of the event.
        bytes: usize,
    },
    /// The result is over Lambda's limit.
    #[error("the result has {bytes} bytes; Lambda's limit is {MAX_PAYLOAD_BYTES}")]
    ResultTooLarge {
        /// The size of the result.
        bytes: usize,
    },
    /// The reserved concurrency is used up.
    #[error("the function is throttled: its reserved concurrency of {limit} is used up")]
    Throttled {
        /// The reserved concurrency.
        limit: usize,
    },
    /// The function returned an error.
    #[error("{error_type}: {message}")]
    Function {
        /// `errorType` of the Runtime API.
        error_type: String,
        /// `errorMessage` of the Runtime API.
        message: String,
    },
    /// The process was killed at the function's timeout, or at [`INIT_TIMEOUT`].
    #[error("the task timed out after {0:?}")]
    TimedOut(Duration),
    /// The process ended before it returned a result.
    #[error("the process ended before it returned a result: {0}")]
    Ended(String),
    /// The process could not be started.
    #[error("{} cannot be started: {source}; build it with `cargo build --bins`", path.display())]
    NotStarted {
        /// The executable.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
}

/// The settings and state that all functions share.
#[derive(Debug)]
pub(crate) struct Host {
    /// The folder with the functions' executables.
    pub(crate) binaries: PathBuf,
    /// The stack's host and port, `127.0.0.1:4800`.
    pub(crate) authority: String,
    pub(crate) region: String,
    /// The secret of all access keys.
    pub(crate) secret: String,
    /// Maximum number of processes of a function without reserved concurrency.
    pub(crate) concurrency: usize,
    pub(crate) instances: Instances,
    pub(crate) logs: Logs,
    /// True once the stack shuts down.
    pub(crate) shutdown: watch::Receiver<bool>,
}

/// A function of the template.
#[derive(Debug)]
pub(crate) struct Function {
    resource: FunctionResource,
    path: PathBuf,
    host: Arc<Host>,
    slots: Arc<Semaphore>,
    /// Idle processes, the most recently used last.
    idle: Mutex<Vec<Arc<Instance>>>,
}

impl Function {
    pub(crate) fn new(resource: FunctionResource, path: PathBuf, host: Arc<Host>) -> Self {
        let concurrency = resource.reserved_concurrency.unwrap_or(host.concurrency);
        Self {
            resource,
            path,
            host,
            slots: Arc::new(Semaphore::new(concurrency)),
            idle: Mutex::default(),
        }
    }

    /// The name of the function's executable, not its physical name.
    #[expect(
        clippy::misnamed_getters,
        reason = "recorded calls and logs name functions by their executables"
    )]
    pub(crate) fn name(&self) -> &str {
        &self.resource.binary
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.resource.timeout
    }

    /// Maximum number of concurrent invocations.
    pub(crate) fn concurrency(&self) -> usize {
        self.resource
            .reserved_concurrency
            .unwrap_or(self.host.concurrency)
    }

    /// The function's access key id, which identifies the function in recorded calls.
    pub(crate) fn access_key_id(&self) -> String {
        let name = self.name().to_ascii_uppercase();
        format!(
            "LOCAL{}",
            name.replace(|other: char| !other.is_ascii_alphanumeric(), "")
        )
    }

    /// Starts a process before the first event.
    pub(crate) fn warm(&self) -> Result<(), InvokeError> {
        let instance = self.start()?;
        self.idle.lock().push(instance);
        Ok(())
    }

    /// Invokes the function and returns its result. The invocation continues if the caller drops the
    /// future.
    pub(crate) async fn invoke(self: &Arc<Self>, payload: Bytes) -> Result<Bytes, InvokeError> {
        let bytes = payload.len();
        if bytes > MAX_PAYLOAD_BYTES {
            return Err(InvokeError::EventTooLarge { bytes });
        }
        let slot = self.slot().await?;
        let function = Arc::clone(self);
        let invocation = tokio::spawn(async move {
            let _slot = slot;
            function.run(payload).await
        });
        let answer = invocation
            .await
            .unwrap_or_else(|error| Err(InvokeError::Ended(error.to_string())));
        // An invocation that the stack's shutdown interrupts is not a failure of the function.
        if let Err(error) = &answer
            && !*self.host.shutdown.borrow()
        {
            let text = format!("invocation failed: {error}");
            self.host.logs.add(self.name(), text);
        }
        answer
    }

    /// Kills all processes, idle and busy. Later events start new ones.
    pub(crate) fn kill(&self) {
        self.idle.lock().clear();
        let instances = self.host.instances.lock();
        for instance in instances.values() {
            if instance.function_arn == self.resource.arn {
                instance.kill();
            }
        }
    }

    /// The number of running invocations.
    pub(crate) fn busy(&self) -> usize {
        let instances = self.host.instances.lock();
        let own = instances
            .values()
            .filter(|instance| instance.function_arn == self.resource.arn);
        own.filter(|instance| instance.is_busy()).count()
    }

    async fn slot(&self) -> Result<OwnedSemaphorePermit, InvokeError> {
        let slots = Arc::clone(&self.slots);
        match self.resource.reserved_concurrency {
            Some(limit) => slots
                .try_acquire_owned()
                .map_err(|_| InvokeError::Throttled { limit }),
            // The limit of this machine, not a reserved concurrency: wait instead of throttling.
            None => slots
                .acquire_owned()
                .await
                .map_err(|error| InvokeError::Ended(error.to_string())),
        }
    }

    async fn run(&self, payload: Bytes) -> Result<Bytes, InvokeError> {
        loop {
            let idle = self.idle.lock().pop();
            let (instance, is_new) = match idle {
                Some(instance) if instance.has_ended() => continue,
                Some(instance) => (instance, false),
                None => (self.start()?, true),
            };
            let (taken, is_taken) = oneshot::channel();
            let (answer, answered) = oneshot::channel();
            let invocation = Invocation {
                request_id: ids::uuid(),
                payload: payload.clone(),
                taken,
                answer,
            };
            if !instance.send(invocation).await {
                continue;
            }
            tokio::select! {
                biased;
                _ = is_taken => {}
                how = instance.ended() => {
                    if is_new {
                        return Err(InvokeError::Ended(how));
                    }
                    // It ended while it was idle: use another process.
                    continue;
                }
                () = tokio::time::sleep(INIT_TIMEOUT) => {
                    instance.kill();
                    return Err(InvokeError::TimedOut(INIT_TIMEOUT));
                }
            }
            let answer = tokio::select! {
                biased;
                answer = answered => answer,
                how = instance.ended() => return Err(InvokeError::Ended(how)),
                () = tokio::time::sleep(self.timeout()) => {
                    instance.kill();
                    return Err(InvokeError::TimedOut(self.timeout()));
                }
            };
            let Ok(answer) = answer else {
                return Err(InvokeError::Ended(instance.ended().await));
            };
            self.idle.lock().push(instance);
            return check_result(answer);
        }
    }

    fn start(&self) -> Result<Arc<Instance>, InvokeError> {
        if *self.host.shutdown.borrow() {
            return Err(InvokeError::Ended("the stack is shutting down".to_owned()));
        }
        let resource = &self.resource;
        let id = ids::token();
        let launch = Launch {
            command: self.command(&id),
            id,
            function: self.name(),
            function_arn: resource.arn.clone(),
            timeout: resource.timeout,
        };
        Instance::start(launch, &self.host.instances, &self.host.logs).map_err(|source| {
            InvokeError::NotStarted {
                path: self.path.clone(),
                source,
            }
        })
    }

    /// The command for a process, with Lambda's environment variables.
    fn command(&self, id: &str) -> Command {
        let (resource, host) = (&self.resource, &self.host);
        let mut command = Command::new(&self.path);
        command.env_clear();
        for name in INHERITED_VARIABLES {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        // Of services that the stack does not have.
        let endpoints = std::env::vars_os().filter(|(name, _)| {
            let name = name.to_str();
            name.is_some_and(|name| name.starts_with(SERVICE_ENDPOINT_PREFIX))
        });
        command.envs(endpoints);
        let address = format!("http://{}", host.authority);
        command
            .env("AWS_REGION", &host.region)
            .env("AWS_DEFAULT_REGION", &host.region)
            .env("AWS_ACCESS_KEY_ID", self.access_key_id())
            .env("AWS_SECRET_ACCESS_KEY", &host.secret)
            .env("AWS_ENDPOINT_URL", &address)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023")
            .env("AWS_LAMBDA_FUNCTION_NAME", &resource.name)
            .env(
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
                resource.memory_mib.to_string(),
            )
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", format!("local/{id}"))
            .env("AWS_LAMBDA_RUNTIME_API", format!("{address}{PREFIX}{id}"))
            .env("TZ", ":UTC")
            .env("_HANDLER", "bootstrap")
            .envs(&resource.environment);
        command
    }
}

fn check_result(answer: Result<Bytes, FunctionError>) -> Result<Bytes, InvokeError> {
    match answer {
        Ok(answer) if answer.len() > MAX_PAYLOAD_BYTES => Err(InvokeError::ResultTooLarge {
            bytes: answer.len(),
        }),
        Ok(answer) => Ok(answer),
        Err(FunctionError {
            error_type,
            message,
        }) => Err(InvokeError::Function {
            error_type,
            message,
        }),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::{
        collections::BTreeMap,
        fs::{self, Permissions},
        os::unix::fs::PermissionsExt as _,
    };

    use super::*;
    use crate::logs::ShowLogs;

    /// The log lines about an invocation whose process is killed, optionally during shutdown.
    async fn logged_after_kill(shuts_down: bool) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("slow");
        fs::write(&path, "#!/bin/sh\nexec sleep 600\n").expect("written");
        fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("executable");
        let (shutdown, down) = watch::channel(false);
        let logs = Logs::new(ShowLogs::Hidden);
        let host = Arc::new(Host {
            binaries: folder.path().to_owned(),
            authority: "127.0.0.1:1".to_owned(),
            region: "us-east-1".to_owned(),
            secret: "test".to_owned(),
            concurrency: 1,
            instances: Instances::default(),
            logs: logs.clone(),
            shutdown: down,
        });
        let resource = FunctionResource {
            name: "slow".to_owned(),
            binary: "slow".to_owned(),
            arn: "arn:slow".to_owned(),
            timeout: Duration::from_mins(1),
            memory_mib: 128,
            reserved_concurrency: None,
            environment: BTreeMap::new(),
        };
        let function = Arc::new(Function::new(resource, path, Arc::clone(&host)));
        let invocation = {
            let function = Arc::clone(&function);
            tokio::spawn(async move { function.invoke(Bytes::from("{}")).await })
        };
        while host.instances.lock().is_empty() {
            tokio::task::yield_now().await;
        }
        shutdown.send_replace(shuts_down);
        function.kill();
        let answer = invocation.await.expect("it does not panic");
        assert!(matches!(answer, Err(InvokeError::Ended(_))), "{answer:?}");
        logs.lines().into_iter().map(|line| line.text).collect()
    }

    #[tokio::test]
    async fn killed_process_logs_a_failure_unless_the_stack_shuts_down() {
        let failures = logged_after_kill(false).await;
        assert!(
            failures.iter().any(|line| line.contains("SIGKILL")),
            "{failures:?}"
        );
        let none: [String; 0] = [];
        assert_eq!(logged_after_kill(true).await, none);
    }
}
