//! What a stack tells of itself: where its APIs are, what its resources are called.

use std::{collections::BTreeMap, env, fs, path::Path};

use contract::{queues::QueueSpec, tables::TableSpec};
use local::LocalStack;

/// The outputs of a stack, and where they lead from here.
#[derive(Clone, Debug)]
pub(crate) struct Outputs {
    values: BTreeMap<String, String>,
    place: Place,
}

/// How the addresses among the outputs are to be taken.
#[derive(Clone, Debug)]
enum Place {
    /// As they are.
    Aws,
    /// As they are, but `@connections` is below this address.
    Local(String),
    /// As AWS would have given them, while everything is below this address.
    Emulator(String),
}

impl Outputs {
    /// Those of a local stack.
    pub(crate) fn of(stack: &LocalStack) -> Self {
        Self {
            values: stack.outputs().clone(),
            place: Place::Local(stack.urls().endpoint_url.clone()),
        }
    }

    /// Those in a file, of a stack that is deployed where the AWS SDK looks for it.
    pub(crate) fn read(file: &Path) -> Self {
        let text = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let values = serde_json::from_slice(&text)
            .unwrap_or_else(|error| panic!("{} holds no outputs: {error}", file.display()));
        let place = match env::var("AWS_ENDPOINT_URL") {
            Ok(url) => Place::Emulator(url.trim_end_matches('/').to_owned()),
            Err(_) => Place::Aws,
        };
        Self { values, place }
    }

    fn value(&self, name: &str) -> &str {
        self.values
            .get(name)
            .unwrap_or_else(|| panic!("the stack has no output {name}: {:?}", self.values))
    }

    /// Where the HTTP API is.
    pub(crate) fn http_api(&self) -> String {
        match &self.place {
            Place::Emulator(url) => format!("{url}/_aws/execute-api/{}", self.value("HttpApiId")),
            Place::Aws | Place::Local(_) => self.value("HttpApiUrl").to_owned(),
        }
    }

    /// Where the stack tells its clients to connect.
    pub(crate) fn advertised_websocket(&self) -> &str {
        self.value("WebSocketUrl")
    }

    /// Where clients connect from here.
    pub(crate) fn websocket(&self) -> String {
        match &self.place {
            Place::Emulator(_) => self.connections().replacen("http", "ws", 1),
            Place::Aws | Place::Local(_) => self.advertised_websocket().to_owned(),
        }
    }

    /// Where `@connections` is.
    pub(crate) fn connections(&self) -> String {
        match &self.place {
            Place::Emulator(url) | Place::Local(url) => format!(
                "{url}/_aws/execute-api/{}/{}",
                self.value("WebSocketApiId"),
                self.value("StageName"),
            ),
            Place::Aws => self.advertised_websocket().replacen("ws", "http", 1),
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
