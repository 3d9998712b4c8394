//! The messages that were received too often without being processed, and their way back to their queues.

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, Message, MessageSystemAttributeName,
    QueueAttributeName,
};
use serde::Serialize;
use stagecast_contract::{
    ids::JobId,
    queues::{DeliveryKind, DeliveryTask, WebhookTask},
    timestamp::Timestamp,
};

use crate::{
    Operator, OperatorError, error::call_failed, resources::QueueNames, summary::JobSummary,
};

/// Messages in one request to SQS.
const BATCH: i32 = 10;

/// Seconds for which a message that is listed or moved is hidden from other receivers of the dead-letter queue. A
/// command that is killed leaves its messages visible after them.
const HIDDEN_SECONDS: i32 = 60;

/// Seconds that a receive waits for messages. Without a wait, SQS asks only some of its servers.
const WAIT_SECONDS: i32 = 1;

/// The time between two requests for the state of a move.
const MOVE_POLL: Duration = Duration::from_secs(1);

/// SQS's answers of a service that does not move messages itself.
const NO_MOVES: [&str; 4] = [
    "AWS.SimpleQueueService.UnsupportedOperation",
    "UnsupportedOperation",
    "InvalidAction",
    "UnknownOperationException",
];

/// A message in a dead-letter queue.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeadLetter {
    /// The name of its queue in the contract.
    pub queue: &'static str,
    /// SQS's id of the message.
    pub message_id: String,
    /// What the message asks for.
    pub request: String,
    /// The receives that SQS has counted.
    pub receives: u32,
    /// When the message was sent.
    pub sent_at: Option<Timestamp>,
    /// The job that the message is about.
    pub job_id: Option<JobId>,
    /// This job as it is now; none if it does not exist any more.
    pub job: Option<JobSummary>,
}

/// The messages in a dead-letter queue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeadLetters {
    /// The messages that were read.
    pub letters: Vec<DeadLetter>,
    /// Whether there may be more.
    pub has_more: bool,
}

/// The result of moving messages back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The number of messages.
    pub messages: u64,
    /// Whether SQS moved them, instead of this process.
    pub by_sqs: bool,
}

impl Operator {
    /// Reads up to `limit` messages of a dead-letter queue. They are hidden meanwhile, and visible again afterwards.
    pub async fn dead_letters(
        &self,
        queue: &QueueNames,
        limit: usize,
    ) -> Result<DeadLetters, OperatorError> {
        let url = self.queue_url(&queue.dead_letters).await?;
        let mut received: BTreeMap<String, Message> = BTreeMap::new();
        let mut order = Vec::new();
        let mut is_empty = false;
        while order.len() < limit && !is_empty {
            let messages = self.receive(queue, &url).await;
            let messages = match messages {
                Ok(messages) => messages,
                Err(error) => {
                    self.release(queue, &url, received.values()).await?;
                    return Err(error);
                }
            };
            is_empty = messages.is_empty();
            for message in messages {
                let id = message.message_id.clone().unwrap_or_default();
                if received.insert(id.clone(), message).is_none() {
                    order.push(id);
                }
            }
        }
        self.release(queue, &url, received.values()).await?;
        let mut letters = Vec::new();
        for id in order.iter().take(limit) {
            letters.extend(received.get(id).map(|message| read(queue, message)));
        }
        let ids = letters.iter().filter_map(|letter| letter.job_id.clone());
        let jobs = self.load_all(ids).await?;
        for letter in &mut letters {
            let job = jobs
                .iter()
                .find(|job| Some(&job.job_id) == letter.job_id.as_ref());
            letter.job = job.map(JobSummary::of);
        }
        Ok(DeadLetters {
            has_more: !is_empty || order.len() > limit,
            letters,
        })
    }

    /// Moves all messages of a dead-letter queue back to its queue. SQS does it, unless it is an emulator that cannot:
    /// `is_emulator` lets this process then send each message and delete it after that, so that none is lost.
    pub async fn redrive(
        &self,
        queue: &QueueNames,
        is_emulator: bool,
    ) -> Result<Moved, OperatorError> {
        let url = self.queue_url(&queue.dead_letters).await?;
        let arn = self.arn(queue, &url).await?;
        let operation = format!("moving the messages of {} back", queue.dead_letters);
        let started = self.sqs.start_message_move_task().source_arn(&arn);
        let started = started.send().await;
        match started.map_err(call_failed!(operation)) {
            Ok(_) => self.follow_move(queue, &arn).await,
            Err(OperatorError::Call {
                code: Some(code), ..
            }) if is_emulator && NO_MOVES.contains(&code.as_str()) => {
                self.move_each(queue, &url).await
            }
            Err(error) => Err(error),
        }
    }

    async fn arn(&self, queue: &QueueNames, url: &str) -> Result<String, OperatorError> {
        let request = self.sqs.get_queue_attributes().queue_url(url);
        let answer = request
            .attribute_names(QueueAttributeName::QueueArn)
            .send()
            .await;
        let operation = format!("reading the ARN of {}", queue.dead_letters);
        let answer = answer.map_err(call_failed!(operation))?;
        let mut attributes = answer.attributes.unwrap_or_default();
        let arn = attributes.remove(&QueueAttributeName::QueueArn);
        Ok(arn.unwrap_or_default())
    }

    /// Waits until SQS has moved the messages.
    async fn follow_move(&self, queue: &QueueNames, arn: &str) -> Result<Moved, OperatorError> {
        loop {
            let request = self.sqs.list_message_move_tasks().source_arn(arn);
            let answer = request.max_results(1).send().await;
            let operation = format!("following the move of {}", queue.dead_letters);
            let answer = answer.map_err(call_failed!(operation.clone()))?;
            // The latest one.
            let task = answer.results.unwrap_or_default().into_iter().next();
            let Some(task) = task else {
                return Err(OperatorError::Call {
                    operation,
                    cause: "SQS has no such move".to_owned(),
                    code: None,
                });
            };
            let messages = u64::try_from(task.approximate_number_of_messages_moved).unwrap_or(0);
            match task.status.as_deref() {
                Some("RUNNING" | "CANCELLING") => tokio::time::sleep(MOVE_POLL).await,
                Some("COMPLETED") => {
                    return Ok(Moved {
                        messages,
                        by_sqs: true,
                    });
                }
                status => {
                    let reason = task.failure_reason.unwrap_or_default();
                    return Err(OperatorError::Call {
                        operation,
                        cause: format!(
                            "SQS has stopped after {messages} messages: {} {reason}",
                            status.unwrap_or("no status")
                        ),
                        code: None,
                    });
                }
            }
        }
    }

    /// Sends each message to the queue, and deletes it from the dead-letter queue after that. A message that dies again
    /// meanwhile stays: it was sent after this began.
    async fn move_each(&self, queue: &QueueNames, from: &str) -> Result<Moved, OperatorError> {
        let to = self.queue_url(&queue.queue).await?;
        let began = self.clock.now();
        let mut moved = Moved {
            messages: 0,
            by_sqs: false,
        };
        loop {
            let messages = self.receive(queue, from).await?;
            let (due, later): (Vec<_>, Vec<_>) = messages
                .into_iter()
                .partition(|message| sent_at(message).is_none_or(|sent| sent <= began));
            self.release(queue, from, &later).await?;
            if due.is_empty() {
                return Ok(moved);
            }
            for message in &due {
                if let Err(error) = self.move_one(queue, from, &to, message).await {
                    // What is left need not be hidden. If this fails as well, it is visible a minute later.
                    let _ = self.release(queue, from, &due).await;
                    return Err(error);
                }
                moved.messages += 1;
            }
        }
    }

    async fn move_one(
        &self,
        queue: &QueueNames,
        from: &str,
        to: &str,
        message: &Message,
    ) -> Result<(), OperatorError> {
        let sent = self.sqs.send_message().queue_url(to);
        let sent = sent
            .message_body(message.body.as_deref().unwrap_or_default())
            .set_message_attributes(message.message_attributes.clone())
            .send()
            .await;
        sent.map_err(call_failed!(format!(
            "sending a message to {}",
            queue.queue
        )))?;
        let deleted = self.sqs.delete_message().queue_url(from);
        let deleted = deleted
            .receipt_handle(message.receipt_handle.as_deref().unwrap_or_default())
            .send()
            .await;
        let operation = format!("deleting a message of {} that was sent", queue.dead_letters);
        deleted.map_err(call_failed!(operation))?;
        Ok(())
    }

    async fn receive(&self, queue: &QueueNames, url: &str) -> Result<Vec<Message>, OperatorError> {
        let request = self.sqs.receive_message().queue_url(url);
        let answer = request
            .max_number_of_messages(BATCH)
            .visibility_timeout(HIDDEN_SECONDS)
            .wait_time_seconds(WAIT_SECONDS)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await;
        let operation = format!("receiving the messages of {}", queue.dead_letters);
        let answer = answer.map_err(call_failed!(operation))?;
        Ok(answer.messages.unwrap_or_default())
    }

    /// Lets other receivers see these messages again.
    async fn release<'a>(
        &self,
        queue: &QueueNames,
        url: &str,
        messages: impl IntoIterator<Item = &'a Message>,
    ) -> Result<(), OperatorError> {
        let handles = messages
            .into_iter()
            .filter_map(|message| message.receipt_handle.clone());
        let handles: Vec<_> = handles.collect();
        for batch in handles.chunks(BATCH.unsigned_abs() as usize) {
            let operation = format!("releasing the messages of {}", queue.dead_letters);
            let entries = batch.iter().enumerate().map(|(index, handle)| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(index.to_string())
                    .receipt_handle(handle)
                    .visibility_timeout(0)
                    .build()
            });
            let entries = entries.collect::<Result<Vec<_>, _>>();
            let entries = entries.map_err(|error| OperatorError::Call {
                operation: operation.clone(),
                cause: error.to_string(),
                code: None,
            })?;
            let request = self.sqs.change_message_visibility_batch().queue_url(url);
            let answer = request.set_entries(Some(entries)).send().await;
            answer.map_err(call_failed!(operation))?;
        }
        Ok(())
    }
}

fn sent_at(message: &Message) -> Option<Timestamp> {
    let attributes = message.attributes.as_ref()?;
    let millis: i64 = attributes
        .get(&MessageSystemAttributeName::SentTimestamp)?
        .parse()
        .ok()?;
    Some(Timestamp::from_epoch_seconds(millis / 1000))
}

fn read(queue: &QueueNames, message: &Message) -> DeadLetter {
    let body = message.body.as_deref().unwrap_or_default();
    let attributes = message.attributes.as_ref();
    let receives = attributes
        .and_then(|it| it.get(&MessageSystemAttributeName::ApproximateReceiveCount))
        .and_then(|count| count.parse().ok());
    DeadLetter {
        queue: queue.declared,
        message_id: message.message_id.clone().unwrap_or_default(),
        request: request(body),
        receives: receives.unwrap_or(0),
        sent_at: sent_at(message),
        job_id: job_of(body),
        job: None,
    }
}

fn job_of(body: &str) -> Option<JobId> {
    let body: serde_json::Value = serde_json::from_str(body).ok()?;
    body["job_id"].as_str()?.parse().ok()
}

/// Characters of a message that is not understood.
const MOST: usize = 60;

/// What a message asks for, in words.
fn request(body: &str) -> String {
    if let Ok(task) = serde_json::from_str::<DeliveryTask>(body) {
        return match task.content {
            DeliveryKind::Log => format!("send the log after seq {}", task.after_seq),
            DeliveryKind::Published => format!("send the messages after seq {}", task.after_seq),
            DeliveryKind::Progress => "send the progress".to_owned(),
            DeliveryKind::Created { .. } => "notify the owner's feed of the job".to_owned(),
            DeliveryKind::Webhook { .. } => {
                format!("queue the webhook of seq {}", task.after_seq + 1)
            }
            DeliveryKind::UploadDeadline => "check the upload".to_owned(),
            DeliveryKind::Watchdog { epoch: Some(epoch) } => format!("watchdog of claim {epoch}"),
            DeliveryKind::Watchdog { epoch: None } => "watchdog".to_owned(),
        };
    }
    if let Ok(task) = serde_json::from_str::<WebhookTask>(body) {
        return format!("post the webhook of seq {}", task.seq);
    }
    if job_of(body).is_some() {
        return "run the job".to_owned();
    }
    let mut start: String = body.chars().take(MOST).collect();
    if start.len() < body.len() {
        start.push('…');
    }
    start
}
