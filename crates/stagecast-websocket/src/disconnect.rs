//! `$disconnect`.

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequestContext;
use stagecast_core::stores::StoreError;

use crate::{context::Context, invocation::Invocation};

/// Deletes the connection, its subscriptions and its listeners.
pub(crate) async fn handle(
    context: &Context,
    invocation: &Invocation,
    event: &ApiGatewayWebsocketProxyRequestContext,
) -> Result<i64, StoreError> {
    tracing::info!(
        status = event.disconnect_status_code,
        reason = event.disconnect_reason,
        "the connection has ended",
    );
    context.forget(&invocation.connection_id).await?;
    Ok(200)
}
