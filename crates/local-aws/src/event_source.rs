//! Lambda's event source mappings: queues that invoke functions.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use crate::{
    lambda::Function,
    sqs::{Queue, Received},
    template::EventSource,
};

/// The long-polling wait of one receive.
const RECEIVE_WAIT: Duration = Duration::from_secs(20);

/// A function's partial batch response. Every message that it does not list was processed.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct BatchResponse {
    batch_item_failures: Vec<ItemFailure>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ItemFailure {
    item_identifier: String,
}

/// Receives batches and invokes the function with each, forever.
pub(crate) async fn poll(
    source: EventSource,
    queue: Arc<Queue>,
    function: Arc<Function>,
    region: String,
) {
    let limit = source
        .maximum_concurrency
        .unwrap_or(usize::MAX)
        .min(function.concurrency());
    let slots = Arc::new(Semaphore::new(limit));
    let source = Arc::new(source);
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        let received = queue.receive(source.batch_size, None, RECEIVE_WAIT).await;
        if received.is_empty() {
            continue;
        }
        let (source, queue) = (Arc::clone(&source), Arc::clone(&queue));
        let (function, region) = (Arc::clone(&function), region.clone());
        tokio::spawn(async move {
            let _slot = slot;
            let event = event(&received, &queue.resource.arn, &region);
            let answer = function.invoke(Bytes::from(event.to_string())).await;
            if let Ok(answer) = answer {
                delete_processed(&source, &queue, &received, &answer);
            }
            // After an error the messages become visible when their visibility timeout expires.
        });
    }
}

fn event(received: &[Received], arn: &str, region: &str) -> Value {
    let records = received.iter().map(|received| {
        json!({
            "messageId": received.message.id,
            "receiptHandle": received.receipt,
            "body": received.message.body,
            "attributes": received.attributes(),
            "messageAttributes": message_attributes(&received.message.attributes),
            "md5OfBody": received.body_md5(),
            "eventSource": "aws:sqs",
            "eventSourceARN": arn,
            "awsRegion": region,
        })
    });
    json!({"Records": records.collect::<Vec<_>>()})
}

/// The message attributes of SQS's protocol, under the field names of the event.
fn message_attributes(attributes: &Value) -> Value {
    let mut renamed = Map::new();
    for (name, attribute) in attributes.as_object().into_iter().flatten() {
        let mut attribute = json!({
            "stringValue": attribute["StringValue"],
            "binaryValue": attribute["BinaryValue"],
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": attribute["DataType"],
        });
        if let Some(fields) = attribute.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        renamed.insert(name.clone(), attribute);
    }
    renamed.into()
}

/// Deletes the messages that the function has processed. As in Lambda, a failure that names an unknown
/// message fails the whole batch.
fn delete_processed(source: &EventSource, queue: &Queue, received: &[Received], answer: &Bytes) {
    let mut failed = BTreeSet::new();
    if source.reports_item_failures {
        let answer = serde_json::from_slice::<Option<BatchResponse>>(answer);
        let Ok(answer) = answer else {
            return;
        };
        for failure in answer.unwrap_or_default().batch_item_failures {
            let known = received
                .iter()
                .any(|received| received.message.id == failure.item_identifier);
            if !known {
                return;
            }
            failed.insert(failure.item_identifier);
        }
    }
    for received in received {
        if !failed.contains(&received.message.id) {
            queue.delete(&received.receipt);
        }
    }
}
