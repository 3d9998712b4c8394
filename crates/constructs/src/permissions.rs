//! The IAM statements that follow from a function's grants and triggers.

use std::collections::BTreeSet;

use cloudformation::{
    ConstructPath, Handle, LogicalId, StringValue,
    resources::{
        iam::{Statement, Target},
        logs::LogGroup,
    },
    sub,
};
use indexmap::IndexMap;
use typed_contract::{
    buckets::BucketSpec,
    external::ExternalSpec,
    functions::{FunctionSpec, Trigger},
    grants::GrantedOn,
    queues::QueueSpec,
    secrets::{ParameterSpec, SecretSpec},
    tables::TableSpec,
};

use crate::{
    bucket::Bucket,
    error::SynthError,
    pattern::{self, resolve},
    queue::Queue,
    table::Table,
    websocket_api::WebSocketApi,
};

/// The actions of Lambda's event source mapping, which uses the consumer's role.
const CONSUMER_ACTIONS: [&str; 3] = [
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ReceiveMessage",
];

/// The action of reading what is encrypted with a customer managed key. The service decrypts on behalf of the
/// function.
const DECRYPT: &str = "kms:Decrypt";

/// The resources that grants can refer to. A stack's own resources are added to those of others.
#[derive(Clone, Debug, Default)]
pub struct Grantable {
    /// All tables.
    pub tables: Vec<Table>,
    /// All queues.
    pub queues: Vec<Queue>,
    /// All buckets.
    pub buckets: Vec<Bucket>,
    /// The WebSocket API, for grants on its connections, if the stack has one.
    pub websocket: Option<WebSocketApi>,
}

/// The resource of a grant.
pub(crate) enum GrantedResource<'a> {
    Table(&'a Table),
    Index(&'a Table, &'static str),
    Queue(&'a Queue),
    Bucket(&'a Bucket),
    Connections(&'a WebSocketApi, &'static str),
    Secret(&'static SecretSpec),
    Parameter(&'static ParameterSpec),
    External(&'static ExternalSpec),
}

impl Grantable {
    /// Finds the resource of a grant.
    pub(crate) fn find(
        &self,
        function: &FunctionSpec,
        on: GrantedOn,
    ) -> Result<GrantedResource<'_>, SynthError> {
        Ok(match on {
            GrantedOn::Table(spec) => GrantedResource::Table(self.table(function, spec)?),
            GrantedOn::Index(spec, index) => {
                GrantedResource::Index(self.table(function, spec)?, index)
            }
            GrantedOn::Queue(spec) => GrantedResource::Queue(self.queue(function, spec)?),
            GrantedOn::Bucket(spec) => GrantedResource::Bucket(self.bucket(function, spec)?),
            GrantedOn::Connections(method) => {
                let websocket = self.websocket.as_ref();
                let websocket = websocket.ok_or(SynthError::NoWebSocketApi {
                    function: function.name,
                })?;
                GrantedResource::Connections(websocket, method)
            }
            GrantedOn::Secret(spec) => GrantedResource::Secret(spec),
            GrantedOn::Parameter(spec) => GrantedResource::Parameter(spec),
            GrantedOn::External(spec) => GrantedResource::External(spec),
        })
    }

    /// Finds the queue that a function uses. Fails with [`SynthError::NotInStack`] if it is not here.
    pub fn queue(&self, function: &FunctionSpec, spec: &QueueSpec) -> Result<&Queue, SynthError> {
        let found = self.queues.iter().find(|queue| queue.spec == spec);
        found.ok_or(SynthError::not_in_stack(function, "queue", spec.name))
    }

    fn table(&self, function: &FunctionSpec, spec: &TableSpec) -> Result<&Table, SynthError> {
        let found = self.tables.iter().find(|table| table.spec == spec);
        found.ok_or(SynthError::not_in_stack(function, "table", spec.name))
    }

    fn bucket(&self, function: &FunctionSpec, spec: &BucketSpec) -> Result<&Bucket, SynthError> {
        let found = self.buckets.iter().find(|bucket| bucket.spec == spec);
        found.ok_or(SynthError::not_in_stack(function, "bucket", spec.name))
    }
}

impl GrantedResource<'_> {
    /// The id of the statement about the resource. Names can differ only in characters that ids cannot have.
    fn sid(&self) -> String {
        let of = |id: &LogicalId| id.to_string();
        let named = |name: &str, kind: &str| {
            of(&ConstructPath::root(&name.replace("{suffix}", ""))
                .child(kind)
                .logical_id())
        };
        match self {
            Self::Table(table) => of(table.resource.logical_id()),
            Self::Index(table, index) => format!("{}Index{index}", table.resource.logical_id())
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .collect(),
            Self::Queue(queue) => of(queue.resource.logical_id()),
            Self::Bucket(bucket) => of(bucket.resource.logical_id()),
            Self::Connections(_, method) => format!("Connections{method}"),
            Self::Secret(secret) => named(secret.name, "Secret"),
            Self::Parameter(parameter) => named(parameter.name, "Parameter"),
            Self::External(external) => named(external.name, "External"),
        }
    }

    fn arn(&self) -> StringValue {
        match self {
            Self::Table(table) => table.resource.arn(),
            Self::Index(table, index) => sub![table.resource.arn(), "/index/", *index],
            Self::Queue(queue) => queue.resource.arn(),
            Self::Bucket(bucket) => bucket.resource.objects_arn(),
            Self::Connections(websocket, method) => websocket.connections_arn(method),
            // Secrets Manager appends a hyphen and six random characters to the name.
            Self::Secret(secret) => {
                let name = sub!["secret:", resolve(secret.name), "-??????"];
                StringValue::Sub(pattern::arn("secretsmanager", name))
            }
            Self::Parameter(parameter) => {
                let name = parameter.name.trim_start_matches('/');
                let name = sub!["parameter/", resolve(name)];
                StringValue::Sub(pattern::arn("ssm", name))
            }
            Self::External(external) => resolve(external.arn),
        }
    }

    /// The ARN of the customer managed key that the resource is encrypted with.
    fn key_arn(&self) -> Option<StringValue> {
        match self {
            Self::Secret(secret) => secret.key.map(resolve),
            Self::Parameter(parameter) => parameter.key.map(resolve),
            _ => None,
        }
    }
}

/// Actions by the ARN that they are allowed on, each ARN with the id of its statement.
#[derive(Default)]
struct Merged(IndexMap<StringValue, (String, Vec<&'static str>)>);

impl Merged {
    fn allow(&mut self, sid: String, arn: StringValue, actions: &[&'static str]) {
        let (_, allowed) = self.0.entry(arn).or_insert_with(|| (sid, Vec::new()));
        allowed.extend(actions);
    }

    /// One statement per ARN. An id that another statement has gets a number.
    fn statements(self) -> Vec<Statement> {
        let mut taken = BTreeSet::new();
        let statements = self.0.into_iter().map(|(arn, (sid, mut actions))| {
            actions.sort_unstable();
            actions.dedup();
            let numbered = (2..).map(|number| format!("{sid}{number}"));
            let sid = std::iter::once(sid.clone())
                .chain(numbered)
                .find(|sid| taken.insert(sid.clone()))
                .unwrap_or(sid);
            Statement::allow(sid, actions, Target::Arns(vec![arn]))
        });
        statements.collect()
    }
}

/// The statements of a function: one per resource of its grants, then logs and traces.
pub(crate) fn statements(
    function: &FunctionSpec,
    grantable: &Grantable,
    logs: &Handle<LogGroup>,
) -> Result<Vec<Statement>, SynthError> {
    let mut merged = Merged::default();
    for grant in function.grants {
        let granted = grantable.find(function, grant.on)?;
        merged.allow(granted.sid(), granted.arn(), &[grant.action]);
        if let Some(key) = granted.key_arn() {
            merged.allow(format!("{}Key", granted.sid()), key, &[DECRYPT]);
        }
    }
    for trigger in function.triggers {
        match trigger {
            Trigger::Queue { queue, .. } => {
                let granted = grantable.find(function, GrantedOn::Queue(queue))?;
                merged.allow(granted.sid(), granted.arn(), &CONSUMER_ACTIONS);
            }
            Trigger::WebSocketRoutes | Trigger::HttpRoutes => {}
        }
    }
    let mut statements = merged.statements();
    statements.push(Statement::allow(
        "Logs",
        ["logs:CreateLogStream", "logs:PutLogEvents"],
        Target::Arns(vec![logs.streams_arn()]),
    ));
    statements.push(Statement::allow(
        "Traces",
        ["xray:PutTelemetryRecords", "xray:PutTraceSegments"],
        Target::Everything {
            reason: "X-Ray has no resources that these two actions could be limited to".into(),
        },
    ));
    Ok(statements)
}
