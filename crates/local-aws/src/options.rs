//! The options of a stack.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use serde_json::Value;

use crate::{
    logs::ShowLogs, secrets::LocalSecrets, site::Site, template::System, websocket::WebSocketLimits,
};

/// The options of a stack.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The template, in CloudFormation's long form as JSON.
    pub template: Value,
    /// The folder with the functions' executables. Their names are those in the functions' metadata,
    /// `BuildProperties.Binary`.
    pub binaries: PathBuf,
    /// The value of `AWS::StackName`, and part of the names that the template does not give.
    pub stack_name: String,
    /// The port to listen on; 0 chooses a free port.
    pub port: u16,
    /// Accepted names in `Host` headers, besides `localhost` and loopback addresses.
    pub allowed_hosts: Vec<String>,
    /// The folder for tables, objects and queued messages; without it, they end with the stack.
    pub data_dir: Option<PathBuf>,
    /// Values of template parameters; they override the defaults.
    pub parameters: BTreeMap<String, String>,
    /// Environment variables of functions, by the names of their executables; they override the template.
    pub environment: BTreeMap<String, BTreeMap<String, String>>,
    /// Visibility timeouts of queues, by name; they override the template.
    pub visibility_timeouts: BTreeMap<String, Duration>,
    /// The initial receive count of messages, by queue name. Tests use it to reach the last attempt
    /// without waiting for the earlier ones.
    pub earlier_receives: BTreeMap<String, u32>,
    /// Timeouts of functions, by the names of their executables; they override the template.
    pub function_timeouts: BTreeMap<String, Duration>,
    /// Maximum number of processes of a function without reserved concurrency.
    pub concurrency: usize,
    /// The values of secrets and of parameters of SSM Parameter Store.
    pub secrets: LocalSecrets,
    /// Limits of WebSocket connections.
    pub websocket: WebSocketLimits,
    /// Serves requests for which the template has no route.
    pub site: Option<Arc<dyn Site>>,
    /// The format of the functions' logs on standard error.
    pub show_logs: ShowLogs,
    /// What error messages call the options.
    pub names: OptionNames,
}

/// What error messages call the options that a developer may have to change. The defaults are the fields of
/// [`Options`]; a command-line tool sets the names of its arguments.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct OptionNames {
    /// The name of [`Options::port`].
    pub port: &'static str,
    /// The name of [`Options::allowed_hosts`].
    pub allowed_hosts: &'static str,
    /// The name of [`Options::data_dir`].
    pub data_dir: &'static str,
    /// The name of [`Options::binaries`].
    pub binaries: &'static str,
    /// The name of [`Options::secrets`].
    pub secrets: &'static str,
}

impl Default for OptionNames {
    fn default() -> Self {
        Self {
            port: "`Options::port`",
            allowed_hosts: "`Options::allowed_hosts`",
            data_dir: "`Options::data_dir`",
            binaries: "`Options::binaries`",
            secrets: "`Options::secrets`",
        }
    }
}

impl Options {
    /// The defaults: the stack name `local`, a free port, no data folder, hidden logs.
    pub fn new(template: Value, binaries: impl Into<PathBuf>) -> Self {
        Self {
            template,
            binaries: binaries.into(),
            stack_name: "local".to_owned(),
            port: 0,
            allowed_hosts: Vec::new(),
            data_dir: None,
            parameters: BTreeMap::new(),
            environment: BTreeMap::new(),
            visibility_timeouts: BTreeMap::new(),
            earlier_receives: BTreeMap::new(),
            function_timeouts: BTreeMap::new(),
            concurrency: 10,
            secrets: LocalSecrets::default(),
            websocket: WebSocketLimits::default(),
            site: None,
            show_logs: ShowLogs::Hidden,
            names: OptionNames::default(),
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
