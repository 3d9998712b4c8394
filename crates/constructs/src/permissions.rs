//! The IAM statements that follow from a function's grants and triggers.

use cloudformation::{
    Handle, LogicalId, StringValue,
    resources::{
        iam::{Statement, Target},
        logs::LogGroup,
    },
    sub,
};
use indexmap::IndexMap;
use typed_contract::{
    buckets::BucketSpec,
    functions::{FunctionSpec, Trigger},
    grants::GrantedOn,
    queues::QueueSpec,
    tables::TableSpec,
};

use crate::{
    bucket::Bucket, error::SynthError, queue::Queue, table::Table, websocket_api::WebSocketApi,
};

/// The actions of Lambda's event source mapping, which uses the consumer's role.
const CONSUMER_ACTIONS: [&str; 3] = [
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ReceiveMessage",
];

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
    /// The id of the statement about the resource.
    fn sid(&self) -> String {
        let of = |id: &LogicalId| id.to_string();
        match self {
            Self::Table(table) => of(table.resource.logical_id()),
            Self::Index(table, index) => format!("{}Index{index}", table.resource.logical_id())
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .collect(),
            Self::Queue(queue) => of(queue.resource.logical_id()),
            Self::Bucket(bucket) => of(bucket.resource.logical_id()),
            Self::Connections(_, method) => format!("Connections{method}"),
        }
    }

    fn arn(&self) -> StringValue {
        match self {
            Self::Table(table) => table.resource.arn(),
            Self::Index(table, index) => sub![table.resource.arn(), "/index/", *index],
            Self::Queue(queue) => queue.resource.arn(),
            Self::Bucket(bucket) => bucket.resource.objects_arn(),
            Self::Connections(websocket, method) => websocket.connections_arn(method),
        }
    }
}

/// The statements of a function: one per resource of its grants, then logs and traces.
pub(crate) fn statements(
    function: &FunctionSpec,
    grantable: &Grantable,
    logs: &Handle<LogGroup>,
) -> Result<Vec<Statement>, SynthError> {
    let mut merged: IndexMap<String, (StringValue, Vec<&'static str>)> = IndexMap::new();
    let mut allow = |on, actions: &[&'static str]| -> Result<(), SynthError> {
        let granted = grantable.find(function, on)?;
        let (_, allowed) = merged
            .entry(granted.sid())
            .or_insert_with(|| (granted.arn(), Vec::new()));
        allowed.extend(actions);
        Ok(())
    };
    for grant in function.grants {
        allow(grant.on, &[grant.action])?;
    }
    for trigger in function.triggers {
        match trigger {
            Trigger::Queue { queue, .. } => allow(GrantedOn::Queue(queue), &CONSUMER_ACTIONS)?,
            Trigger::WebSocketRoutes | Trigger::HttpRoutes => {}
        }
    }
    let mut statements: Vec<_> = merged
        .into_iter()
        .map(|(sid, (arn, mut actions))| {
            actions.sort_unstable();
            actions.dedup();
            Statement::allow(sid, actions, Target::Arns(vec![arn]))
        })
        .collect();
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
