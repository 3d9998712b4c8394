//! A process of a function.

use std::{
    collections::HashMap,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::{Child, Command},
    sync::{Notify, mpsc, oneshot, watch},
};

use crate::{logs::Logs, sync::Mutex};

/// How long to wait for remaining output after a process has ended.
const OUTPUT_DRAIN_TIMEOUT: Duration = Duration::from_millis(500);

/// An error that a function returned.
#[derive(Clone, Debug)]
pub(crate) struct FunctionError {
    pub(crate) error_type: String,
    pub(crate) message: String,
}

/// What a function returned.
pub(crate) type InvocationResult = Result<Bytes, FunctionError>;

/// An event for a process.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) request_id: String,
    pub(super) payload: Bytes,
    /// Notified when the process has taken the event. The function's timeout starts then.
    pub(super) taken: oneshot::Sender<()>,
    pub(super) answer: oneshot::Sender<InvocationResult>,
}

/// A process, with its state for the Runtime API.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(super) id: String,
    pub(super) function_arn: String,
    pub(super) timeout: Duration,
    invocations: mpsc::Sender<Invocation>,
    pub(super) next: tokio::sync::Mutex<mpsc::Receiver<Invocation>>,
    /// The request id of the current invocation, and the receiver of its result.
    pub(super) current: Mutex<Option<(String, oneshot::Sender<InvocationResult>)>>,
    kill: Notify,
    ended: watch::Receiver<Option<String>>,
}

/// The running processes by id.
pub(crate) type Instances = Arc<Mutex<HashMap<String, Arc<Instance>>>>;

/// The parameters of a new process.
#[derive(Debug)]
pub(super) struct Launch<'a> {
    pub(super) id: String,
    pub(super) function: &'a str,
    pub(super) function_arn: String,
    pub(super) timeout: Duration,
    pub(super) command: Command,
}

impl Instance {
    /// Starts a process, which is in `instances` until it ends.
    pub(super) fn start(
        launch: Launch<'_>,
        instances: &Instances,
        logs: &Logs,
    ) -> std::io::Result<Arc<Self>> {
        let mut command = launch.command;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        // A terminal sends Ctrl-C to the whole process group. The stack itself ends the functions.
        #[cfg(unix)]
        command.process_group(0);
        let (invocations, next) = mpsc::channel(1);
        let (end, ended) = watch::channel(None);
        let instance = Arc::new(Self {
            id: launch.id,
            function_arn: launch.function_arn,
            timeout: launch.timeout,
            invocations,
            next: tokio::sync::Mutex::new(next),
            current: Mutex::default(),
            kill: Notify::new(),
            ended,
        });
        // Registered before it starts, because its first request may come at once.
        instances
            .lock()
            .insert(instance.id.clone(), Arc::clone(&instance));
        let mut child = command.spawn().inspect_err(|_| {
            instances.lock().remove(&instance.id);
        })?;
        let output = [
            child
                .stdout
                .take()
                .map(|pipe| follow(pipe, launch.function, logs)),
            child
                .stderr
                .take()
                .map(|pipe| follow(pipe, launch.function, logs)),
        ];
        let (watched, instances) = (Arc::clone(&instance), Arc::clone(instances));
        tokio::spawn(async move {
            let status = watched.wait_for_exit(&mut child).await;
            instances.lock().remove(&watched.id);
            for follower in output.into_iter().flatten() {
                // A child of the process may hold the pipe open.
                let _ = tokio::time::timeout(OUTPUT_DRAIN_TIMEOUT, follower).await;
            }
            end.send_replace(Some(status));
        });
        Ok(instance)
    }

    /// Sends an event to the process. Returns false if the process has ended.
    pub(super) async fn send(&self, invocation: Invocation) -> bool {
        !self.has_ended() && self.invocations.send(invocation).await.is_ok()
    }

    /// Kills the process.
    pub(super) fn kill(&self) {
        self.kill.notify_one();
    }

    /// Whether the process has a running invocation.
    pub(super) fn is_busy(&self) -> bool {
        let current = self.current.lock();
        // A finished invocation was removed; one that timed out has no receiver.
        current
            .as_ref()
            .is_some_and(|(_, answer)| !answer.is_closed())
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.borrow().is_some()
    }

    /// Waits for the process to end. Returns its exit status as text.
    pub(super) async fn ended(&self) -> String {
        let mut ended = self.ended.clone();
        let status = ended.wait_for(Option::is_some).await;
        status.map_or_else(
            |_| "the stack is shutting down".to_owned(),
            |status| status.clone().unwrap_or_default(),
        )
    }

    async fn wait_for_exit(&self, child: &mut Child) -> String {
        let status = tokio::select! {
            status = child.wait() => status,
            () = self.kill.notified() => {
                // Fails only if the process has already ended.
                let _ = child.start_kill();
                child.wait().await
            }
        };
        status.map_or_else(|error| error.to_string(), describe)
    }
}

fn describe(status: ExitStatus) -> String {
    status.to_string()
}

fn follow(
    pipe: impl AsyncRead + Send + Unpin + 'static,
    function: &str,
    logs: &Logs,
) -> tokio::task::JoinHandle<()> {
    let (function, logs) = (function.to_owned(), logs.clone());
    tokio::spawn(async move {
        let mut lines = BufReader::new(pipe).split(b'\n');
        while let Ok(Some(line)) = lines.next_segment().await {
            logs.add(&function, String::from_utf8_lossy(&line).into_owned());
        }
    })
}
