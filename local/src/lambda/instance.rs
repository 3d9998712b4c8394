//! One process of a function, from its start to its end.

use std::{
    collections::HashMap,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::{Child, Command},
    sync::{Notify, mpsc, oneshot, watch},
};

use crate::logs::Logs;

/// How long output is waited for after a process has ended.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// An error that a function answered with.
#[derive(Clone, Debug)]
pub(crate) struct FunctionError {
    pub(crate) error_type: String,
    pub(crate) message: String,
}

/// What a function answered.
pub(crate) type Answer = Result<Bytes, FunctionError>;

/// An event on its way to a process.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) request_id: String,
    pub(super) payload: Bytes,
    /// Told when the process has taken the event: the function's time runs from then on.
    pub(super) taken: oneshot::Sender<()>,
    pub(super) answer: oneshot::Sender<Answer>,
}

/// A process, and what the Runtime API needs to serve it.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(super) id: String,
    pub(super) function_arn: String,
    pub(super) timeout: Duration,
    invocations: mpsc::Sender<Invocation>,
    pub(super) next: tokio::sync::Mutex<mpsc::Receiver<Invocation>>,
    /// The event that the process works on.
    pub(super) current: Mutex<Option<(String, oneshot::Sender<Answer>)>>,
    kill: Notify,
    ended: watch::Receiver<Option<String>>,
}

/// The processes that run, by id.
pub(crate) type Instances = Arc<Mutex<HashMap<String, Arc<Instance>>>>;

/// What a process is started with.
#[derive(Debug)]
pub(super) struct Launch<'a> {
    pub(super) id: String,
    pub(super) function: &'a str,
    pub(super) function_arn: String,
    pub(super) timeout: Duration,
    pub(super) command: Command,
}

impl Instance {
    /// Starts a process; it leaves `instances` when it ends.
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
        // Ctrl-C on a terminal is for the stack; it ends the functions in order.
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
        // Known before it runs: its first request may come at once.
        lock(instances).insert(instance.id.clone(), Arc::clone(&instance));
        let mut child = command.spawn().inspect_err(|_| {
            lock(instances).remove(&instance.id);
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
            lock(&instances).remove(&watched.id);
            for follower in output.into_iter().flatten() {
                // A grandchild may hold the pipe open.
                let _ = tokio::time::timeout(LAST_WORDS, follower).await;
            }
            end.send_replace(Some(status));
        });
        Ok(instance)
    }

    /// Hands an event to the process. False if the process has ended.
    pub(super) async fn send(&self, invocation: Invocation) -> bool {
        !self.has_ended() && self.invocations.send(invocation).await.is_ok()
    }

    /// Ends the process.
    pub(super) fn kill(&self) {
        self.kill.notify_one();
    }

    /// Whether the process works on an event.
    pub(super) fn is_busy(&self) -> bool {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        // Answered invocations are taken out, ones that timed out have no receiver any more.
        current
            .as_ref()
            .is_some_and(|(_, answer)| !answer.is_closed())
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.borrow().is_some()
    }

    /// Returns when the process has ended, and says how it did.
    pub(super) async fn ended(&self) -> String {
        let mut ended = self.ended.clone();
        let status = ended.wait_for(Option::is_some).await;
        status.map_or_else(
            |_| "the stack shuts down".to_owned(),
            |status| status.clone().unwrap_or_default(),
        )
    }

    async fn wait_for_exit(&self, child: &mut Child) -> String {
        let status = tokio::select! {
            status = child.wait() => status,
            () = self.kill.notified() => {
                // Fails only if the process has ended by itself.
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

pub(super) fn lock(
    instances: &Instances,
) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Instance>>> {
    instances.lock().unwrap_or_else(PoisonError::into_inner)
}
