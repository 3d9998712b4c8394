//! `$connect`.

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use stagecast_contract::ids::{AccessKey, JobId};
use stagecast_core::{
    models::PendingReply,
    owner_tokens::JobCredential,
    stores::{CommitOutcome, Precondition, StoreError},
};

use crate::{context::Context, invocation::Invocation};

/// The header and the query parameters of a handshake that the function reads.
#[derive(Debug, Default)]
pub(crate) struct Handshake {
    pub(crate) origin: Option<String>,
    pub(crate) job_id: Option<String>,
    pub(crate) access_key: Option<AccessKey>,
    pub(crate) after_seq: Option<String>,
}

impl Handshake {
    pub(crate) fn of(event: &ApiGatewayWebsocketProxyRequest) -> Self {
        let query = |name| event.query_string_parameters.first(name).map(str::to_owned);
        Self {
            origin: event
                .headers
                .get("origin")
                .and_then(|origin| origin.to_str().ok())
                .map(str::to_owned),
            job_id: query("job_id"),
            access_key: query("access_key").map(AccessKey::from_client),
            after_seq: query("after_seq"),
        }
    }
}

/// Stores the connection and, if the URL names a job, a subscription to it. Returns the status of the
/// handshake.
pub(crate) async fn handle(
    context: &Context,
    invocation: &Invocation,
    handshake: &Handshake,
) -> Result<i64, StoreError> {
    // Only browsers send an origin, and only they need protection from other sites.
    if let Some(origin) = &handshake.origin
        && !context.allowed_origins.is_empty()
        && !context.allowed_origins.contains(origin)
    {
        tracing::warn!(
            origin,
            "rejected: the origin is not in the environment's allowed origins"
        );
        return Ok(403);
    }
    let Some(job_id) = &handshake.job_id else {
        store_connection(context, invocation).await?;
        return Ok(200);
    };
    let (Ok(job_id), Some(access_key)) = (job_id.parse::<JobId>(), &handshake.access_key) else {
        return Ok(403);
    };
    let after_seq = match handshake.after_seq.as_deref().map(str::parse).transpose() {
        Ok(after_seq) => after_seq,
        Err(error) => {
            tracing::info!(%error, "rejected: after_seq is not a number");
            return Ok(400);
        }
    };
    store_connection(context, invocation).await?;
    let pending = PendingReply { job_id, after_seq };
    let subscribed = subscribe(context, invocation, pending, access_key).await;
    if matches!(subscribed, Ok(true)) {
        return Ok(200);
    }
    // API Gateway sends no $disconnect for a handshake that failed.
    context
        .connections
        .forget(&invocation.connection_id)
        .await?;
    subscribed.map(|_| 403)
}

async fn store_connection(context: &Context, invocation: &Invocation) -> Result<(), StoreError> {
    let (connection_id, correlation_id) = (&invocation.connection_id, &invocation.correlation_id);
    context
        .connections
        .connect(connection_id, correlation_id.clone())
        .await
}

/// Subscribes a connection whose handshake is not finished. Returns false if the key does not open the
/// job.
async fn subscribe(
    context: &Context,
    invocation: &Invocation,
    pending: PendingReply,
    access_key: &AccessKey,
) -> Result<bool, StoreError> {
    let (connection_id, job_id) = (&invocation.connection_id, &pending.job_id);
    let subscriptions = &context.subscriptions;
    let loaded = subscriptions.load_context(connection_id, job_id).await?;
    let max = context.max_subscriptions;
    let credential = JobCredential::AccessKey(access_key);
    let authorized = match subscriptions.authorize(loaded, Some(credential), max) {
        Ok(authorized) => authorized,
        Err(error) => {
            tracing::info!(?error, %job_id, "rejected: no access to the job in the URL");
            return Ok(false);
        }
    };
    let request = invocation.subscription_request(job_id);
    let committed = subscriptions
        .commit(
            &request,
            &authorized,
            authorized.allowance(),
            Precondition::Nothing,
        )
        .await?;
    if committed == CommitOutcome::Conflict {
        return Ok(false);
    }
    // API Gateway takes no post to a connection before its handshake has succeeded.
    context
        .connections
        .set_pending_reply(connection_id, pending)
        .await?;
    Ok(true)
}
