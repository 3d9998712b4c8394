//! A stack's outputs: addresses of the APIs, names of the resources.

use std::{collections::BTreeMap, env, fs, path::Path};

use local_aws::LocalStack;
use typed_contract::{queues::QueueSpec, tables::TableSpec};

/// The outputs of a stack, with the rules to reach its addresses from here.
#[derive(Clone, Debug)]
pub(crate) struct Outputs {
    values: BTreeMap<String, String>,
    addressing: Addressing,
}

/// How to read the addresses in the outputs.
#[derive(Clone, Debug)]
enum Addressing {
    /// All addresses are valid as they are.
    Aws,
    /// The addresses are valid, and `@connections` is below this address.
    Local(String),
    /// The addresses are those of AWS, but everything is below this address.
    Emulator(String),
}

impl Outputs {
    /// The outputs of a local stack.
    pub(crate) fn of(stack: &LocalStack) -> Self {
        Self {
            values: stack.outputs().clone(),
            addressing: Addressing::Local(stack.urls().endpoint_url.clone()),
        }
    }

    /// Reads a deployed stack's outputs from a file. `AWS_ENDPOINT_URL` selects the emulator.
    pub(crate) fn read(file: &Path) -> Self {
        let text = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let values = serde_json::from_slice(&text)
            .unwrap_or_else(|error| panic!("{} has no outputs: {error}", file.display()));
        let addressing = match env::var("AWS_ENDPOINT_URL") {
            Ok(url) => Addressing::Emulator(url.trim_end_matches('/').to_owned()),
            Err(_) => Addressing::Aws,
        };
        Self { values, addressing }
    }

    fn value(&self, name: &str) -> &str {
        self.values
            .get(name)
            .unwrap_or_else(|| panic!("the stack has no output {name}: {:?}", self.values))
    }

    /// The URL of the HTTP API.
    pub(crate) fn http_api(&self) -> String {
        match &self.addressing {
            Addressing::Emulator(url) => {
                format!("{url}/_aws/execute-api/{}", self.value("HttpApiId"))
            }
            Addressing::Aws | Addressing::Local(_) => self.value("HttpApiUrl").to_owned(),
        }
    }

    /// The URL of the WebSocket API that the stack sends to its clients.
    pub(crate) fn advertised_websocket(&self) -> &str {
        self.value("WebSocketUrl")
    }

    /// The URL of the WebSocket API from here.
    pub(crate) fn websocket(&self) -> String {
        match &self.addressing {
            Addressing::Emulator(_) => self.connections().replacen("http", "ws", 1),
            Addressing::Aws | Addressing::Local(_) => self.advertised_websocket().to_owned(),
        }
    }

    /// The URL of `@connections`.
    pub(crate) fn connections(&self) -> String {
        match &self.addressing {
            Addressing::Emulator(url) | Addressing::Local(url) => format!(
                "{url}/_aws/execute-api/{}/{}",
                self.value("WebSocketApiId"),
                self.value("StageName"),
            ),
            Addressing::Aws => self.advertised_websocket().replacen("ws", "http", 1),
        }
    }

    /// The name of a table.
    pub(crate) fn table(&self, table: &TableSpec) -> &str {
        self.value(&format!("{}TableName", pascal_case(table.name)))
    }

    /// The name of a queue.
    pub(crate) fn queue(&self, queue: &QueueSpec) -> &str {
        self.value(&format!("{}QueueName", pascal_case(queue.name)))
    }
}

fn pascal_case(name: &str) -> String {
    name.split(['_', '-'])
        .map(|word| {
            let (first, rest) = word.split_at(1);
            first.to_ascii_uppercase() + rest
        })
        .collect()
}
