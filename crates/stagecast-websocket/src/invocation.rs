//! One invocation of the function: an event of one connection.

use std::sync::OnceLock;

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequestContext;
use granted_aws::PostError;
use stagecast_contract::{
    functions::WebSocketFunction,
    ids::{CorrelationId, JobId},
    timestamp::Timestamp,
};
use stagecast_core::{
    retry::RetryPolicy,
    stores::{SubscriptionRequest, correlation_id},
};
use tokio::time::Instant;

/// The connection of an event, and the time that is left for replies to it.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    pub(crate) connection_id: String,
    pub(crate) connected_at: Timestamp,
    pub(crate) correlation_id: CorrelationId,
    started: Instant,
    /// Set when a reply was refused in a way that no retry can change.
    pub(crate) undelivered: OnceLock<UndeliveredReply>,
}

/// API Gateway refused a reply to the client, and no retry can change that.
#[derive(Clone, Debug, thiserror::Error)]
// Some emulators pass this message on to the client. It has no cause: the log has it.
#[error("a reply could not be delivered; the function's log names the cause")]
pub struct UndeliveredReply(#[source] pub(crate) PostError);

impl Invocation {
    pub(crate) fn new(event: &ApiGatewayWebsocketProxyRequestContext) -> Self {
        let connection_id = event.connection_id.clone().unwrap_or_default();
        let connected_at = Timestamp::from_epoch_seconds(event.connected_at / 1000);
        Self {
            correlation_id: correlation_id(&connection_id, connected_at),
            connection_id,
            connected_at,
            started: Instant::now(),
            undelivered: OnceLock::new(),
        }
    }

    /// The policy for the next post. All posts of an invocation share one time limit, because the
    /// function's timeout does not grow with their number.
    pub(crate) fn retry_policy(&self) -> RetryPolicy {
        let policy = RetryPolicy::post::<WebSocketFunction>();
        let total = policy.total.saturating_sub(self.started.elapsed());
        RetryPolicy { total, ..policy }
    }

    pub(crate) fn subscription_request<'a>(&'a self, job_id: &'a JobId) -> SubscriptionRequest<'a> {
        SubscriptionRequest {
            connection_id: &self.connection_id,
            connected_at: self.connected_at,
            correlation_id: self.correlation_id.clone(),
            job_id,
        }
    }
}
