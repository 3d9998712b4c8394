//! Batches of messages of a queue: the event that Lambda passes to a function, and the response.

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};

/// Handles the messages of a batch one after the other. A message whose `handle` fails stays on the queue, and the
/// others are deleted: every event source mapping of the template has `ReportBatchItemFailures`. `handle` logs its
/// error.
///
/// A consumer of a queue answers with this response only, so that no error of one message keeps the others on the
/// queue.
pub async fn handle_each<E>(
    event: SqsEvent,
    mut handle: impl AsyncFnMut(&SqsMessage) -> Result<(), E>,
) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    for message in event.records {
        if handle(&message).await.is_err() {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = message.message_id.unwrap_or_default();
            response.batch_item_failures.push(failure);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_failed_messages_stay_on_the_queue() {
        let mut event = SqsEvent::default();
        for id in ["m-1", "m-2", "m-3"] {
            let mut message = SqsMessage::default();
            message.message_id = Some(id.to_owned());
            event.records.push(message);
        }
        let mut handled = Vec::new();
        let response = handle_each(event, async |message: &SqsMessage| {
            let id = message.message_id.clone().unwrap_or_default();
            let result = if id == "m-2" { Err(()) } else { Ok(()) };
            handled.push(id);
            result
        })
        .await;
        let failures = response.batch_item_failures.iter();
        let failures: Vec<_> = failures.map(|it| it.item_identifier.as_str()).collect();
        assert_eq!(failures, ["m-2"]);
        assert_eq!(handled, ["m-1", "m-2", "m-3"]);
    }
}
