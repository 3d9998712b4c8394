//! `$connect` and `$disconnect`.

use aws_lambda_events::apigw::{
    ApiGatewayWebsocketProxyRequest, ApiGatewayWebsocketProxyRequestContext,
};
use contract::ids::{AccessKey, JobId};
use handlers_core::{
    models::PendingReply,
    stores::{CommitOutcome, Precondition, StoreError},
};

use crate::handler::{Handler, Session};

/// What a client says while it connects.
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

impl Handler {
    /// Stores the connection and, if the URL names a job, its subscription. Answers with the
    /// status of the handshake.
    pub(crate) async fn connect(
        &self,
        session: &Session,
        handshake: &Handshake,
    ) -> Result<i64, StoreError> {
        // Only browsers send an origin, and only they need protection from other sites.
        if let Some(origin) = &handshake.origin
            && !self.allowed_origins.is_empty()
            && !self.allowed_origins.contains(origin)
        {
            tracing::warn!(
                origin,
                "refused: the origin is not on the environment's list"
            );
            return Ok(403);
        }
        let Some(job_id) = &handshake.job_id else {
            self.connections
                .connect(&session.connection_id, session.correlation_id.clone())
                .await?;
            return Ok(200);
        };
        let (Ok(job_id), Some(access_key)) = (job_id.parse::<JobId>(), &handshake.access_key)
        else {
            return Ok(403);
        };
        let after_seq = match handshake.after_seq.as_deref().map(str::parse).transpose() {
            Ok(after_seq) => after_seq,
            Err(error) => {
                tracing::info!(%error, "refused: after_seq is no number");
                return Ok(400);
            }
        };
        self.connections
            .connect(&session.connection_id, session.correlation_id.clone())
            .await?;
        let owed = PendingReply { job_id, after_seq };
        let subscribed = self.subscribe_at_once(session, owed, access_key).await;
        if matches!(subscribed, Ok(true)) {
            return Ok(200);
        }
        // A connection that never was is never said to have ended.
        self.connections.forget(&session.connection_id).await?;
        subscribed.map(|_| 403)
    }

    /// Subscribes a connection that is being made. False when it may not watch the job.
    async fn subscribe_at_once(
        &self,
        session: &Session,
        owed: PendingReply,
        access_key: &AccessKey,
    ) -> Result<bool, StoreError> {
        let (connection_id, job_id) = (&session.connection_id, &owed.job_id);
        let context = self
            .subscriptions
            .load_context(connection_id, job_id)
            .await?;
        let authorized = match self.subscriptions.authorize(
            context,
            Some(access_key),
            self.max_subscriptions,
        ) {
            Ok(authorized) => authorized,
            Err(refused) => {
                tracing::info!(?refused, %job_id, "refused: the job in the URL cannot be watched");
                return Ok(false);
            }
        };
        let request = session.wants(job_id);
        let committed = self
            .subscriptions
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
        // Nothing can be posted before this handshake is answered.
        self.connections
            .set_pending_reply(connection_id, owed)
            .await?;
        Ok(true)
    }

    /// Deletes everything of the connection.
    pub(crate) async fn disconnect(
        &self,
        session: &Session,
        context: &ApiGatewayWebsocketProxyRequestContext,
    ) -> Result<i64, StoreError> {
        tracing::info!(
            status = context.disconnect_status_code,
            reason = context.disconnect_reason,
            "the connection has ended",
        );
        self.connections.forget(&session.connection_id).await?;
        Ok(200)
    }
}
