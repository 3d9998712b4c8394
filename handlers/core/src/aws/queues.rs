//! SQS, as far as a function is granted it.

use aws_config::SdkConfig;
use aws_sdk_sqs::{Client, error::DisplayErrorContext};
use contract::{
    functions::Function,
    grants::{Granted, SendMessage},
    queues::Queue,
};

use super::Environment;

/// SQS for the function `F`.
#[derive(Debug)]
pub struct Queues<F> {
    client: Client,
    environment: Environment<F>,
}

/// A message could not be put on a queue.
#[derive(Debug, thiserror::Error)]
#[error("the message for the queue {queue} could not be sent: {cause}")]
pub struct SendError {
    /// The queue's name in the contract.
    pub queue: &'static str,
    /// What SQS or the network answered.
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

    /// Puts a message on `Q`, to be received after `delay_seconds` (at most 900).
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
}
