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
    primitives::Blob,
};
use bytes::Bytes;
use typed_contract::{
    environment::{self, WebSocketApi},
    functions::Function,
    grants::{Granted, PostToConnection},
};

use crate::{
    Environment, Post, PostError, audience::AudienceApi, config::Aws, post::ATTEMPT_TIMEOUT,
};

/// The client of `@connections` for the function `F`.
#[derive(Debug)]
pub struct ConnectionsApi<F> {
    client: Client,
    audience: AudienceApi<F>,
}

impl<F> Clone for ConnectionsApi<F> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            audience: self.audience.clone(),
        }
    }
}

impl<F: Function> ConnectionsApi<F> {
    /// A client of the WebSocket API that the environment names.
    pub fn new(aws: &Aws, environment: &Environment<F>) -> Self
    where
        F: Granted<PostToConnection<WebSocketApi>>,
    {
        let endpoint = endpoint(aws, environment);
        let audience = AudienceApi::new(aws, &endpoint);
        // The caller retries, because it knows the order of the messages. A message is too small for its
        // transfer to stall.
        let config = Builder::from(&**aws)
            .endpoint_url(endpoint)
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
            audience,
        }
    }

    /// A client for posts to many connections, over the same HTTP connections.
    pub fn for_audiences(&self) -> AudienceApi<F> {
        self.audience.clone()
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
        let response = error.raw_response();
        let known = response.and_then(|response| {
            let body = response.body().bytes().unwrap_or_default();
            PostError::of_response(response.status().as_u16(), body)
        });
        Err(known.unwrap_or_else(|| {
            // The request was sent: opening the connection has a shorter limit.
            let timed_out = matches!(error, SdkError::TimeoutError(_));
            let text = DisplayErrorContext(error).to_string();
            if timed_out {
                PostError::TimedOut(text)
            } else {
                PostError::Transient(text)
            }
        }))
    }
}
