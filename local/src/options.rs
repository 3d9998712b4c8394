//! The options and the addresses of a stack.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{book, logs::ShowLogs, template::System, websocket::WebSocketLimits};

/// The options of a stack.
#[derive(Clone, Debug)]
pub struct Options {
    /// The template, in CloudFormation's long form as JSON.
    pub template: Value,
    /// The folder with the functions' executables.
    pub binaries: PathBuf,
    /// The port to listen on; 0 chooses a free port.
    pub port: u16,
    /// Accepted names in `Host` headers, besides `localhost` and loopback addresses.
    pub allowed_hosts: Vec<String>,
    /// The folder for tables, objects and queued messages; without it, they end with the stack.
    pub data_dir: Option<PathBuf>,
    /// Values of template parameters; they override the defaults.
    pub parameters: BTreeMap<String, String>,
    /// Environment variables of functions, by their names in the contract; they override the template.
    pub environment: BTreeMap<String, BTreeMap<String, String>>,
    /// Visibility timeouts of queues, by name; they override the template.
    pub visibility_timeouts: BTreeMap<String, Duration>,
    /// The initial receive count of messages, by queue name. Tests use it to reach the last attempt
    /// without waiting for the earlier ones.
    pub earlier_receives: BTreeMap<String, u32>,
    /// Timeouts of functions, by their names in the contract; they override the template.
    pub function_timeouts: BTreeMap<String, Duration>,
    /// Maximum number of processes of a function without reserved concurrency.
    pub concurrency: usize,
    /// Limits of WebSocket connections.
    pub websocket: WebSocketLimits,
    /// The folder of the built documentation book. If it is missing, a page names the command to build it.
    pub book: PathBuf,
    /// The format of the functions' logs on standard error.
    pub show_logs: ShowLogs,
}

impl Options {
    /// The defaults: a free port, no data folder, hidden logs.
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
            show_logs: ShowLogs::Hidden,
        }
    }

    /// Applies the overrides to a system.
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

/// The addresses of a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Urls {
    /// The URL of the HTTP API, without a slash at the end. The progress page is at its root.
    pub http_api: String,
    /// The URL of the WebSocket API with its stage.
    pub websocket: String,
    /// The URL of the AWS services, for `AWS_ENDPOINT_URL`.
    pub endpoint_url: String,
}
