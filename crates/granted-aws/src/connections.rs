//! The client of `@connections`, the API through which functions post to WebSocket connections.

use std::time::Duration;

use aws_config::{
    SdkConfig, retry::RetryConfig, stalled_stream_protection::StalledStreamProtectionConfig,
    timeout::TimeoutConfig,
};
use aws_sdk_apigatewaymanagement::{
    Client,
    config::Builder,
    error::{DisplayErrorContext, SdkError},
    operation::post_to_connection::PostToConnectionError,
    primitives::Blob,
};
use bytes::Bytes;
use typed_contract::{
    environment::{self, WebSocketApi},
    functions::Function,
    grants::{Granted, PostToConnection},
};

use crate::{Environment, Post, PostError};

/// Longest time for one post. A post that takes longer fails with [`PostError::TimedOut`].
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);

/// The client of `@connections` for the function `F`.
#[derive(Debug)]
pub struct ConnectionsApi<F> {
    client: Client,
    function: std::marker::PhantomData<fn() -> F>,
}

impl<F> Clone for ConnectionsApi<F> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            function: std::marker::PhantomData,
        }
    }
}

impl<F: Function> ConnectionsApi<F> {
    /// A client of the WebSocket API that the environment names.
    pub fn new(config: &SdkConfig, environment: &Environment<F>) -> Self
    where
        F: Granted<PostToConnection<WebSocketApi>>,
    {
        // The caller retries, because it knows the order of the messages. A message is too small for its
        // transfer to stall.
        let config = Builder::from(config)
            .endpoint_url(endpoint(config, environment))
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(2))
                    .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                    .build(),
            )
            .build();
        Self {
            client: Client::from_conf(config),
            function: std::marker::PhantomData,
        }
    }
}

/// The address of `@connections`. If `AWS_ENDPOINT_URL` is set, it is below that address, at the path
/// that local emulators of API Gateway share.
pub(crate) fn endpoint<F: Function>(config: &SdkConfig, environment: &Environment<F>) -> String {
    match config.endpoint_url() {
        Some(emulator) => format!(
            "{}/_aws/execute-api/{}/{}",
            emulator.trim_end_matches('/'),
            environment.value(environment::WEBSOCKET_API_ID),
            environment.value(environment::WEBSOCKET_STAGE),
        ),
        None => environment
            .value(environment::WEBSOCKET_ENDPOINT)
            .to_owned(),
    }
}

impl<F: Function> Post for ConnectionsApi<F>
where
    F: Granted<PostToConnection<WebSocketApi>>,
{
    async fn post(&self, connection_id: &str, message: Bytes) -> Result<(), PostError> {
        let answer = self
            .client
            .post_to_connection()
            .connection_id(connection_id)
            .data(Blob::new(message))
            .send()
            .await;
        let Err(error) = answer else { return Ok(()) };
        let status = error
            .raw_response()
            .map(|response| response.status().as_u16());
        let blames_the_connection = error
            .raw_response()
            .and_then(|response| response.body().bytes())
            .is_some_and(|body| String::from_utf8_lossy(body).contains("connectionId"));
        // The SDK does not model 400 'Invalid connectionId', so the status is read.
        let kind = match (error.as_service_error(), status) {
            (Some(PostToConnectionError::GoneException(_)), _) | (_, Some(410)) => PostError::Gone,
            (_, Some(400)) if blames_the_connection => PostError::Gone,
            (Some(PostToConnectionError::LimitExceededException(_)), _) | (_, Some(429)) => {
                PostError::Throttled
            }
            (Some(PostToConnectionError::PayloadTooLargeException(_)), _) | (_, Some(413)) => {
                PostError::TooLarge
            }
            (Some(PostToConnectionError::ForbiddenException(_)), _) | (_, Some(403)) => {
                PostError::Forbidden
            }
            // The request was sent: opening the connection has a shorter limit.
            _ if matches!(error, SdkError::TimeoutError(_)) => {
                PostError::TimedOut(DisplayErrorContext(error).to_string())
            }
            _ => PostError::Transient(DisplayErrorContext(error).to_string()),
        };
        Err(kind)
    }
}
