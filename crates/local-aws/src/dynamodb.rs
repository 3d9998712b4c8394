//! DynamoDB: the `dynoxide` engine behind the service's JSON protocol.

use std::path::Path;

use bytes::Bytes;
use dynoxide::{Database, DynoxideError};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    faults::Fault,
    http_util::{self, Response},
    ids,
    recorder::Call,
};

/// The prefix of `X-Amz-Target`.
pub(crate) const TARGET_PREFIX: &str = "DynamoDB_20120810.";

/// An operation on the database failed outside of a client's request.
#[derive(Debug, thiserror::Error)]
#[error("DynamoDB cannot {doing}: {reason}")]
pub struct DynamoDbError {
    doing: String,
    reason: String,
}

/// The database of all tables.
#[derive(Clone)]
pub(crate) struct DynamoDb {
    database: Database,
}

impl std::fmt::Debug for DynamoDb {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("DynamoDb").finish_non_exhaustive()
    }
}

/// Runs the operation with this name, from request JSON to response JSON.
macro_rules! dispatch {
    ($database:expr, $operation:expr, $body:expr, { $($name:literal => $method:ident,)* }) => {
        match $operation {
            $($name => {
                let request = serde_json::from_slice($body).map_err(|error| unreadable(&error))?;
                let answer = $database.$method(request)?;
                serde_json::to_string(&answer)
                    .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
            })*
            other => Err(DynoxideError::ValidationException(format!(
                "{other} is not supported by the local stack"
            ))),
        }
    };
}

impl DynamoDb {
    /// Opens the database in `file`, or in memory.
    pub(crate) fn open(file: Option<&Path>) -> Result<Self, DynamoDbError> {
        let database = match file {
            Some(file) => Database::new(&file.to_string_lossy()),
            None => Database::memory(),
        };
        let database = database.map_err(|error| DynamoDbError {
            doing: match file {
                Some(file) => format!("open {}", file.display()),
                None => "start in memory".to_owned(),
            },
            reason: error.to_string(),
        })?;
        Ok(Self { database })
    }

    /// Creates a table if it does not exist, with its time-to-live attribute.
    pub(crate) fn create_table(
        &self,
        request: &Value,
        time_to_live: Option<&str>,
    ) -> Result<(), DynamoDbError> {
        let name = request["TableName"].as_str().unwrap_or_default();
        let failed = |error: DynoxideError| DynamoDbError {
            doing: format!("create the table {name}"),
            reason: error.to_string(),
        };
        match self.run("CreateTable", request.to_string().as_bytes()) {
            // The table is from an earlier run and already has its time-to-live attribute.
            Err(DynoxideError::ResourceInUseException(_)) => return Ok(()),
            created => created.map_err(failed)?,
        };
        if let Some(attribute) = time_to_live {
            let request = json!({
                "TableName": name,
                "TimeToLiveSpecification": {"AttributeName": attribute, "Enabled": true},
            });
            self.run("UpdateTimeToLive", request.to_string().as_bytes())
                .map_err(failed)?;
        }
        Ok(())
    }

    /// Every item of a table, in DynamoDB's JSON.
    pub(crate) fn items(&self, table: &str) -> Result<Vec<Value>, DynamoDbError> {
        let failed = |reason: String| DynamoDbError {
            doing: format!("scan the table {table}"),
            reason,
        };
        let mut items = Vec::new();
        let mut request = json!({"TableName": table, "ConsistentRead": true});
        loop {
            let answer = self.run("Scan", request.to_string().as_bytes());
            let answer = answer.map_err(|error| failed(error.to_string()))?;
            let answer = serde_json::from_str::<Value>(&answer);
            let mut answer = answer.map_err(|error| failed(error.to_string()))?;
            if let Some(page) = answer["Items"].as_array_mut() {
                items.append(page);
            }
            match answer.get("LastEvaluatedKey") {
                Some(key) => request["ExclusiveStartKey"] = key.clone(),
                None => return Ok(items),
            }
        }
    }

    /// Stores an item, in DynamoDB's JSON.
    pub(crate) fn put_item(&self, table: &str, item: &Value) -> Result<(), DynamoDbError> {
        let request = json!({"TableName": table, "Item": item});
        let answer = self.run("PutItem", request.to_string().as_bytes());
        answer.map(drop).map_err(|error| DynamoDbError {
            doing: format!("store an item of the table {table}"),
            reason: error.to_string(),
        })
    }

    /// Deletes expired items. DynamoDB, too, deletes them some time after they expire.
    pub(crate) async fn sweep(&self) {
        let database = self.database.clone();
        let swept = tokio::task::spawn_blocking(move || database.sweep_ttl()).await;
        if let Ok(Err(error)) = swept {
            tracing::warn!("expired items could not be deleted: {error}");
        }
    }

    /// Serves an operation.
    pub(crate) async fn handle(&self, operation: &str, body: Bytes) -> Response {
        let (database, name) = (self.clone(), operation.to_owned());
        let ran = tokio::task::spawn_blocking(move || database.run(&name, &body)).await;
        match ran {
            Ok(Ok(answer)) => respond(StatusCode::OK, answer),
            Ok(Err(error)) => refuse(&error),
            Err(error) => refuse(&DynoxideError::InternalServerError(error.to_string())),
        }
    }

    fn run(&self, operation: &str, body: &[u8]) -> Result<String, DynoxideError> {
        dispatch!(self.database, operation, body, {
            "BatchGetItem" => batch_get_item,
            "BatchWriteItem" => batch_write_item,
            "CreateTable" => create_table,
            "DeleteItem" => delete_item,
            "DeleteTable" => delete_table,
            "DescribeTable" => describe_table,
            "DescribeTimeToLive" => describe_time_to_live,
            "GetItem" => get_item,
            "ListTables" => list_tables,
            "PutItem" => put_item,
            "Query" => query,
            "Scan" => scan,
            "TransactGetItems" => transact_get_items,
            "TransactWriteItems" => transact_write_items,
            "UpdateItem" => update_item,
            "UpdateTimeToLive" => update_time_to_live,
        })
    }
}

/// The response of a fault to an operation; `None` if the fault does not replace the response.
pub(crate) fn fault_response(fault: Fault, operation: &str) -> Option<Response> {
    match fault {
        Fault::Conflict => conflict(operation),
        Fault::Throttle => {
            let reason =
                "The level of configured provisioned throughput for the table was exceeded";
            Some(refuse(
                &DynoxideError::ProvisionedThroughputExceededException(reason.to_owned()),
            ))
        }
        Fault::Outage => {
            let reason = "Internal server error".to_owned();
            Some(refuse(&DynoxideError::InternalServerError(reason)))
        }
        Fault::Denied => {
            let body = json!({
                "__type": "com.amazon.coral.service#AccessDeniedException",
                "Message": format!("not authorized to perform: dynamodb:{operation}"),
            });
            Some(http_util::json(StatusCode::BAD_REQUEST, &body))
        }
        Fault::Status(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            Some(http_util::empty(status))
        }
        Fault::Delay(_) | Fault::Hang | Fault::LostResponse => None,
    }
}

/// DynamoDB's response when a transaction or a single write conflicts with a transaction; `None` for
/// single reads, which never conflict.
fn conflict(operation: &str) -> Option<Response> {
    let answer = match operation {
        "TransactGetItems" | "TransactWriteItems" => {
            let reasons = "Transaction cancelled, please refer cancellation reasons for specific \
                           reasons [TransactionConflict]";
            json!({
                "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
                "Message": reasons,
                "CancellationReasons": [{
                    "Code": "TransactionConflict",
                    "Message": "Transaction is ongoing for the item",
                }],
            })
        }
        "DeleteItem" | "PutItem" | "UpdateItem" => json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionConflictException",
            "message": "Transaction is ongoing for the item",
        }),
        _ => return None,
    };
    Some(respond(StatusCode::BAD_REQUEST, answer.to_string()))
}

/// The calls to record for a request. The operation itself comes first, then its parts.
pub(crate) fn calls(caller: &str, operation: &str, body: &[u8]) -> Vec<Call> {
    let body = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let call = |operation: &str, resource: &str| Call {
        caller: caller.to_owned(),
        operation: format!("dynamodb:{operation}"),
        resource: resource.to_owned(),
    };
    match operation {
        "TransactWriteItems" | "TransactGetItems" => {
            let items = body["TransactItems"]
                .as_array()
                .map_or(&[][..], Vec::as_slice);
            let parts = items.iter().filter_map(Value::as_object).flatten();
            let mut calls = parts
                .map(|(kind, part)| {
                    let operation = match kind.as_str() {
                        "ConditionCheck" => "ConditionCheckItem",
                        "Delete" => "DeleteItem",
                        "Get" => "GetItem",
                        "Put" => "PutItem",
                        "Update" => "UpdateItem",
                        other => other,
                    };
                    call(operation, part["TableName"].as_str().unwrap_or_default())
                })
                .collect::<Vec<_>>();
            let table = calls
                .first()
                .map(|call| call.resource.clone())
                .unwrap_or_default();
            calls.insert(0, call(operation, &table));
            calls
        }
        "BatchWriteItem" | "BatchGetItem" => {
            let tables = body["RequestItems"].as_object().into_iter().flatten();
            tables.map(|(table, _)| call(operation, table)).collect()
        }
        _ => {
            let table = body["TableName"].as_str().unwrap_or_default();
            let resource = match body["IndexName"].as_str() {
                Some(index) => format!("{table}/{index}"),
                None => table.to_owned(),
            };
            vec![call(operation, &resource)]
        }
    }
}

fn unreadable(error: &serde_json::Error) -> DynoxideError {
    DynoxideError::ValidationException(error.to_string())
}

fn refuse(error: &DynoxideError) -> Response {
    let status = StatusCode::from_u16(error.status_code()).unwrap_or(StatusCode::BAD_REQUEST);
    respond(status, error.to_json())
}

fn respond(status: StatusCode, body: String) -> Response {
    let mut response = Response::new(http_util::full(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let json = HeaderValue::from_static("application/x-amz-json-1.0");
    headers.insert(header::CONTENT_TYPE, json);
    if let Ok(id) = ids::uuid().parse() {
        headers.insert(HeaderName::from_static("x-amzn-requestid"), id);
    }
    response
}
