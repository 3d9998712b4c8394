//! How a stack is started, and where it is reached.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{book, logs::ShowLogs, template::System, websocket::WebSocketLimits};

/// How a stack is to be started.
#[derive(Clone, Debug)]
pub struct Options {
    /// The template, as CloudFormation's long-form JSON.
    pub template: Value,
    /// The folder with the functions' executables.
    pub binaries: PathBuf,
    /// The port to listen on; 0 for any that is free.
    pub port: u16,
    /// Names in `Host` headers that are answered, beside this machine's own.
    pub allowed_hosts: Vec<String>,
    /// Where tables, objects and queued messages are kept; without it they end with the stack.
    pub data_dir: Option<PathBuf>,
    /// Values of template parameters, over their defaults.
    pub parameters: BTreeMap<String, String>,
    /// Environment variables of functions (by their names in the contract), over the template's.
    pub environment: BTreeMap<String, BTreeMap<String, String>>,
    /// Visibility timeouts of queues by name, over the template's.
    pub visibility_timeouts: BTreeMap<String, Duration>,
    /// Receives that messages of a queue, by its name, count as soon as they are sent: their last
    /// attempt comes without the wait for the others.
    pub earlier_receives: BTreeMap<String, u32>,
    /// Timeouts of functions (by their names in the contract), over the template's.
    pub function_timeouts: BTreeMap<String, Duration>,
    /// Processes of one function at a time, unless the template reserves a number.
    pub concurrency: usize,
    /// Limits of WebSocket connections.
    pub websocket: WebSocketLimits,
    /// The folder of the built documentation book; a page in its place says how to build it.
    pub book: PathBuf,
    /// How the functions' logs are shown on standard error.
    pub show_logs: ShowLogs,
}

impl Options {
    /// The defaults: any free port, nothing kept, logs not shown.
    pub fn new(template: Value, binaries: impl Into<PathBuf>) -> Self {
        Self {
            template,
            binaries: binaries.into(),
            port: 0,
            allowed_hosts: Vec::new(),
            data_dir: None,
            parameters: BTreeMap::new(),
            environment: BTreeMap::new(),
            visibility_timeouts: BTreeMap::new(),
            earlier_receives: BTreeMap::new(),
            function_timeouts: BTreeMap::new(),
            concurrency: 10,
            websocket: WebSocketLimits::default(),
            book: book::FOLDER.into(),
            show_logs: ShowLogs::Not,
        }
    }

    /// The system with what these options set differently.
    pub(crate) fn applied_to(&self, mut system: System) -> System {
        for queue in &mut system.queues {
            if let Some(timeout) = self.visibility_timeouts.get(&queue.name) {
                queue.visibility_timeout = *timeout;
            }
            if let Some(receives) = self.earlier_receives.get(&queue.name) {
                queue.earlier_receives = *receives;
            }
        }
        for function in &mut system.functions {
            if let Some(timeout) = self.function_timeouts.get(&function.binary) {
                function.timeout = *timeout;
            }
            let variables = self.environment.get(&function.binary).into_iter().flatten();
            for (name, value) in variables {
                function.environment.insert(name.clone(), value.clone());
            }
        }
        system
    }
}

/// Where a stack is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Urls {
    /// The HTTP API, without a slash at its end. The progress page is at its root.
    pub http_api: String,
    /// The WebSocket API, stage included.
    pub websocket: String,
    /// The AWS services, for `AWS_ENDPOINT_URL`.
    pub endpoint_url: String,
}
