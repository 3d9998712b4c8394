//! From an event to the route that serves it.

use std::sync::OnceLock;

use aws_lambda_events::apigw::{ApiGatewayProxyResponse, ApiGatewayWebsocketProxyRequest};
use contract::{
    environment::{AllowedOrigins, MaxSubscriptions},
    functions::WebSocketFunction,
    ids::{CorrelationId, JobId},
    routes::Route,
    timestamp::Timestamp,
};
use handlers_core::{
    aws::{ConnectionsApi, Environment, PostError, Queues},
    cancellation::Canceller,
    clock::Clock,
    delivery::Stores,
    retry::RetryPolicy,
    stores::{
        ConnectionStore, EventStore, JobStore, StoreError, SubscriptionRequest, SubscriptionStore,
        correlation_id,
    },
};
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::lifecycle::Handshake;

/// Everything that the routes work with.
#[derive(Debug)]
pub struct Handler {
    pub(crate) connections: ConnectionStore<WebSocketFunction>,
    pub(crate) subscriptions: SubscriptionStore<WebSocketFunction>,
    pub(crate) jobs: JobStore<WebSocketFunction>,
    pub(crate) events: EventStore<WebSocketFunction>,
    pub(crate) canceller: Canceller<WebSocketFunction>,
    pub(crate) queues: Queues<WebSocketFunction>,
    pub(crate) api: ConnectionsApi<WebSocketFunction>,
    pub(crate) clock: Clock,
    pub(crate) max_subscriptions: u32,
    pub(crate) allowed_origins: Vec<String>,
}

/// A setting that is not what it should be.
#[derive(Debug, thiserror::Error)]
#[error("MAX_SUBSCRIPTIONS is '{0}'; it must be a whole number of at least 1")]
pub struct InvalidSetting(String);

/// The connection that an event is about.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) connection_id: String,
    pub(crate) connected_at: Timestamp,
    pub(crate) correlation_id: CorrelationId,
    /// When the event came.
    pub(crate) began: Instant,
    /// Set when API Gateway refuses a reply for good.
    pub(crate) undelivered: OnceLock<UndeliveredReply>,
}

/// API Gateway refuses to take a reply to the client, and no further attempt can change that.
#[derive(Clone, Debug, thiserror::Error)]
// Some emulators pass the message on to the client: the cause is for the log, which has it.
#[error("a reply could not be delivered; the function's log names the cause")]
pub struct UndeliveredReply(#[source] pub(crate) PostError);

impl Session {
    /// What is left of the time for posts: all posts that an event causes share it, for the function
    /// has no more time for many of them than for one.
    pub(crate) fn budget(&self) -> RetryPolicy {
        let budget = RetryPolicy::post::<WebSocketFunction>();
        let total = budget.total.saturating_sub(self.began.elapsed());
        RetryPolicy { total, ..budget }
    }

    pub(crate) fn wants<'a>(&'a self, job_id: &'a JobId) -> SubscriptionRequest<'a> {
        SubscriptionRequest {
            connection_id: &self.connection_id,
            connected_at: self.connected_at,
            correlation_id: self.correlation_id.clone(),
            job_id,
        }
    }
}

impl Handler {
    /// A handler for the stack that the environment describes.
    pub fn new(
        config: &aws_config::SdkConfig,
        environment: &Environment<WebSocketFunction>,
        clock: Clock,
    ) -> Result<Self, InvalidSetting> {
        let max = environment.get::<MaxSubscriptions>();
        let Ok(max_subscriptions @ 1..) = max.parse() else {
            return Err(InvalidSetting(max.to_owned()));
        };
        let allowed_origins = environment
            .get::<AllowedOrigins>()
            .split(',')
            .map(str::trim)
            .filter(|origin| !origin.is_empty())
            .map(str::to_owned)
            .collect();
        let Stores {
            jobs,
            events,
            subscriptions,
            connections,
            queues,
            api,
            clock,
        } = Stores::new(config, environment, clock);
        Ok(Self {
            connections,
            subscriptions,
            canceller: Canceller::new(jobs.clone(), events.clone(), queues.clone(), clock.clone()),
            jobs,
            events,
            queues,
            api,
            clock,
            max_subscriptions,
            allowed_origins,
        })
    }

    /// Serves an event. The client gets a reply about what goes wrong, and the log has it.
    ///
    /// The only error is a reply that cannot be delivered. API Gateway then sends the client
    /// `Internal server error` itself, without our role's permissions, so that the client does not
    /// wait in vain.
    pub async fn handle(
        &self,
        event: ApiGatewayWebsocketProxyRequest,
    ) -> Result<ApiGatewayProxyResponse, UndeliveredReply> {
        let context = &event.request_context;
        let connection_id = context.connection_id.clone().unwrap_or_default();
        let connected_at = Timestamp::from_epoch_seconds(context.connected_at / 1000);
        let correlation_id = correlation_id(&connection_id, connected_at);
        let route_key = context.route_key.as_deref().unwrap_or_default();
        let span = tracing::info_span!(
            "event",
            request_id = context.request_id,
            connection_id,
            %correlation_id,
            route = route_key,
        );
        let route = Route::from_key(route_key);
        let session = Session {
            connection_id,
            connected_at,
            correlation_id,
            began: Instant::now(),
            undelivered: OnceLock::new(),
        };
        let status = self.route(route, &session, &event).instrument(span).await;
        let mut response = ApiGatewayProxyResponse::default();
        response.status_code = status;
        session.undelivered.into_inner().map_or(Ok(response), Err)
    }

    async fn route(
        &self,
        route: Option<Route>,
        session: &Session,
        event: &ApiGatewayWebsocketProxyRequest,
    ) -> i64 {
        let outcome = match route {
            Some(Route::Connect) => self.connect(session, &Handshake::of(event)).await,
            Some(Route::Disconnect) => self.disconnect(session, &event.request_context).await,
            Some(
                Route::Default
                | Route::Subscribe
                | Route::Unsubscribe
                | Route::CancelJob
                | Route::RequestStatus
                | Route::Ping,
            ) => {
                let frame = event.body.as_deref().unwrap_or_default();
                self.message(session, frame).await;
                Ok(200)
            }
            None => {
                tracing::error!("the template has a route that the contract does not know");
                Ok(404)
            }
        };
        outcome.unwrap_or_else(|error: StoreError| {
            tracing::error!(%error, "the connection's beginning or end could not be stored");
            500
        })
    }
}
