//! Selects the route of an event.

use aws_lambda_events::apigw::{ApiGatewayProxyResponse, ApiGatewayWebsocketProxyRequest};
use granted_aws::Environment;
use stagecast_contract::{functions::WebSocketFunction, routes::Route};
use stagecast_core::{clock::Clock, stores::StoreError};
use tracing::Instrument as _;

use crate::{
    connect::{self, Handshake},
    context::{Context, InvalidSetting},
    disconnect,
    invocation::{Invocation, UndeliveredReply},
    messages,
};

/// Serves the events of the WebSocket API.
#[derive(Debug)]
pub struct Handler {
    context: Context,
}

impl Handler {
    /// A handler for the stack that `environment` describes.
    pub fn new(
        config: &granted_aws::Aws,
        environment: &Environment<WebSocketFunction>,
        clock: Clock,
    ) -> Result<Self, InvalidSetting> {
        let context = Context::new(config, environment, clock)?;
        Ok(Self { context })
    }

    /// Serves an event. A client receives errors as messages; they are also logged.
    ///
    /// The only error is a reply that cannot be delivered. API Gateway then sends
    /// `Internal server error` to the client, without the permissions of the function's role, so that
    /// the client does not wait until its timeout.
    pub async fn handle(
        &self,
        event: ApiGatewayWebsocketProxyRequest,
    ) -> Result<ApiGatewayProxyResponse, UndeliveredReply> {
        let request = &event.request_context;
        let invocation = Invocation::new(request);
        let route_key = request.route_key.as_deref().unwrap_or_default();
        let span = tracing::info_span!(
            "event",
            request_id = request.request_id,
            connection_id = invocation.connection_id,
            correlation_id = %invocation.correlation_id,
            route = route_key,
        );
        let route = Route::from_key(route_key);
        let status = self
            .route(route, &invocation, &event)
            .instrument(span)
            .await;
        let mut response = ApiGatewayProxyResponse::default();
        response.status_code = status;
        invocation
            .undelivered
            .into_inner()
            .map_or(Ok(response), Err)
    }

    /// Serves an event of `route` and returns the status for API Gateway.
    async fn route(
        &self,
        route: Option<Route>,
        invocation: &Invocation,
        event: &ApiGatewayWebsocketProxyRequest,
    ) -> i64 {
        let context = &self.context;
        let status = match route {
            Some(Route::Connect) => {
                connect::handle(context, invocation, &Handshake::of(event)).await
            }
            Some(Route::Disconnect) => {
                disconnect::handle(context, invocation, &event.request_context).await
            }
            // A message, valid or not.
            Some(_) => {
                let frame = event.body.as_deref().unwrap_or_default();
                Box::pin(messages::handle(context, invocation, frame)).await;
                Ok(200)
            }
            None => {
                tracing::error!("the contract declares no route with this key");
                Ok(404)
            }
        };
        status.unwrap_or_else(|error: StoreError| {
            tracing::error!(%error, "the start or the end of the connection could not be stored");
            500
        })
    }
}
