//! The client of SQS, bounded by the grants of its function.

use aws_config::SdkConfig;
use aws_sdk_sqs::{
    Client, error::DisplayErrorContext, types::SendMessageBatchRequestEntry as Entry,
};
use typed_contract::{
    functions::Function,
    grants::{ChangeMessageVisibility, Granted, SendMessage},
    queues::Queue,
};

use crate::Environment;

/// SQS's limit of messages in one `SendMessageBatch`.
const BATCH: usize = 10;

/// The client of SQS for the function `F`.
///
/// ```
/// use granted_aws::{Queues, SendError};
///
/// # use typed_contract::functions::Trigger;
/// # typed_contract::queue! {
/// #     /// Orders to ship, by their ids.
/// #     Shipments = "shipments" in "SHIPMENTS_QUEUE_URL" {
/// #         message: String,
/// #         visibility_timeout_seconds: 60,
/// #         max_receives: 5,
/// #     }
/// # }
/// # typed_contract::function! {
/// #     /// Serves orders.
/// #     OrdersFunction = "orders" {
/// #         memory_mib: 256,
/// #         timeout_seconds: 10,
/// #         retry_budget_seconds: 0,
/// #         triggers: [Trigger::HttpRoutes],
/// #         grants: {
/// #             Shipments: [SendMessage],
/// #         },
/// #         settings: [],
/// #     }
/// # }
/// // The function is granted `SendMessage` on `Shipments`.
/// async fn ship(queues: &Queues<OrdersFunction>, order_id: String) -> Result<(), SendError> {
///     queues.send::<Shipments>(&order_id, 0).await
/// }
/// ```
///
/// It is not granted `ChangeMessageVisibility`, so this does not compile:
///
/// ```compile_fail,E0277
/// # use granted_aws::Queues;
/// # use typed_contract::functions::Trigger;
/// # typed_contract::queue! {
/// #     /// Orders to ship, by their ids.
/// #     Shipments = "shipments" in "SHIPMENTS_QUEUE_URL" {
/// #         message: String,
/// #         visibility_timeout_seconds: 60,
/// #         max_receives: 5,
/// #     }
/// # }
/// # typed_contract::function! {
/// #     /// Serves orders.
/// #     OrdersFunction = "orders" {
/// #         memory_mib: 256,
/// #         timeout_seconds: 10,
/// #         retry_budget_seconds: 0,
/// #         triggers: [Trigger::HttpRoutes],
/// #         grants: {
/// #             Shipments: [SendMessage],
/// #         },
/// #         settings: [],
/// #     }
/// # }
/// # async fn wait(queues: &Queues<OrdersFunction>, receipt_handle: &str) {
/// queues.hide::<Shipments>(receipt_handle, 60).await;
/// # }
/// ```
#[derive(Debug)]
pub struct Queues<F> {
    client: Client,
    environment: Environment<F>,
}

/// A message could not be sent to a queue.
#[derive(Debug, thiserror::Error)]
#[error("the message for the queue {queue} could not be sent: {cause}")]
pub struct SendError {
    /// The queue's name in the contract.
    pub queue: &'static str,
    /// The error of SQS or of the network.
    pub cause: String,
}

/// The visibility timeout of a received message could not be changed.
#[derive(Debug, thiserror::Error)]
#[error("the visibility timeout of a message of the queue {queue} could not be changed: {cause}")]
pub struct VisibilityError {
    /// The queue's name in the contract.
    pub queue: &'static str,
    /// The error of SQS or of the network.
    pub cause: String,
}

impl<F> Clone for Queues<F> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            environment: self.environment.clone(),
        }
    }
}

impl<F: Function> Queues<F> {
    /// A client of the queues that the environment names.
    pub fn new(config: &SdkConfig, environment: &Environment<F>) -> Self {
        Self {
            client: Client::new(config),
            environment: environment.clone(),
        }
    }

    /// Sends a message to `Q`. It can be received after `delay_seconds`, at most
    /// [`MAX_DELAY_SECONDS`](typed_contract::queues::MAX_DELAY_SECONDS).
    pub async fn send<Q: Queue>(
        &self,
        message: &Q::Message,
        delay_seconds: i32,
    ) -> Result<(), SendError>
    where
        F: Granted<SendMessage<Q>>,
    {
        let failed = |cause: String| SendError {
            queue: Q::SPEC.name,
            cause,
        };
        let body = serde_json::to_string(message).map_err(|error| failed(error.to_string()))?;
        self.client
            .send_message()
            .queue_url(self.environment.value(Q::VARIABLE))
            .message_body(body)
            .delay_seconds(delay_seconds)
            .send()
            .await
            .map_err(|error| failed(DisplayErrorContext(error).to_string()))?;
        Ok(())
    }

    /// Sets the visibility timeout of a received message of `Q` to `seconds` from now, at most 43,200.
    pub async fn hide<Q: Queue>(
        &self,
        receipt_handle: &str,
        seconds: i32,
    ) -> Result<(), VisibilityError>
    where
        F: Granted<ChangeMessageVisibility<Q>>,
    {
        self.client
            .change_message_visibility()
            .queue_url(self.environment.value(Q::VARIABLE))
            .receipt_handle(receipt_handle)
            .visibility_timeout(seconds)
            .send()
            .await
            .map_err(|error| VisibilityError {
                queue: Q::SPEC.name,
                cause: DisplayErrorContext(error).to_string(),
            })?;
        Ok(())
    }

    /// [`Self::send`] for many messages, ten per call. After an error, some of them may have been sent.
    pub async fn send_all<Q: Queue>(
        &self,
        messages: &[Q::Message],
        delay_seconds: i32,
    ) -> Result<(), SendError>
    where
        F: Granted<SendMessage<Q>>,
    {
        let failed = |cause: String| SendError {
            queue: Q::SPEC.name,
            cause,
        };
        for batch in messages.chunks(BATCH) {
            let mut entries = Vec::with_capacity(batch.len());
            for (index, message) in batch.iter().enumerate() {
                let body =
                    serde_json::to_string(message).map_err(|error| failed(error.to_string()))?;
                let entry = Entry::builder()
                    .id(index.to_string())
                    .message_body(body)
                    .delay_seconds(delay_seconds);
                entries.push(entry.build().map_err(|error| failed(error.to_string()))?);
            }
            let answer = self
                .client
                .send_message_batch()
                .queue_url(self.environment.value(Q::VARIABLE))
                .set_entries(Some(entries))
                .send()
                .await
                .map_err(|error| failed(DisplayErrorContext(error).to_string()))?;
            if let Some(entry) = answer.failed.first() {
                let reason = entry.message.as_deref().unwrap_or_default();
                return Err(failed(format!("{}: {reason}", entry.code)));
            }
        }
        Ok(())
    }
}
