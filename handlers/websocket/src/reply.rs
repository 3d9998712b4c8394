//! Replies: posted like any other message, since a route's answer does not reach the client.

use bytes::Bytes;
use contract::{
    functions::WebSocketFunction,
    messages::{ErrorReply, ProtocolError, ServerMessage},
    queues::{Audience, Content, DeliveryPointer, DeliveryQueue},
};
use handlers_core::{
    delivery::{Budget, Delivery, Destination, deliver},
    models::Event,
};

use crate::handler::{Handler, Session};

impl Handler {
    /// Posts a reply. False when there is no one to reply to any more.
    pub(crate) async fn reply(&self, session: &Session, reply: &ServerMessage) -> bool {
        matches!(
            self.post(session, Bytes::from(reply.to_json())).await,
            Delivery::Sent { .. }
        )
    }

    /// Posts what is wrong with a message.
    pub(crate) async fn refuse(&self, session: &Session, request_id: &str, error: ProtocolError) {
        let reply = ServerMessage::Error(ErrorReply {
            code: error.code,
            message: error.message,
            request_id: request_id.to_owned(),
            details: error.details,
            timestamp: self.clock.now(),
        });
        self.reply(session, &reply).await;
    }

    /// Posts events in order. What cannot be posted now is left to the delivery function.
    pub(crate) async fn replay(&self, session: &Session, events: &[Event]) {
        for event in events {
            match self.post(session, Bytes::from(event.message.clone())).await {
                Delivery::Sent { .. } => {}
                Delivery::Spent { .. } => {
                    let pointer = DeliveryPointer {
                        job_id: event.job_id.clone(),
                        audience: Audience::Connections(vec![session.connection_id.clone()]),
                        content: Content::Log,
                        after_seq: event.seq.saturating_sub(1),
                    };
                    if let Err(error) = self.queues.send::<DeliveryQueue>(&pointer, 0).await {
                        tracing::error!(%error, job_id = %event.job_id, "a replay could not be queued");
                    }
                    return;
                }
                Delivery::Gone | Delivery::Refused(_) | Delivery::Superseded => return,
            }
        }
    }

    async fn post(&self, session: &Session, message: Bytes) -> Delivery {
        let destination = Destination {
            connection_id: session.connection_id.clone(),
            connected_at: session.connected_at,
        };
        let budget = Budget::of::<WebSocketFunction>();
        let delivery = deliver(
            &self.api,
            &destination,
            &message,
            &budget,
            &self.clock,
            || false,
        )
        .await;
        match &delivery {
            Delivery::Sent { .. } | Delivery::Superseded => {}
            Delivery::Gone => {
                tracing::info!("the connection is gone");
                if let Err(error) = self.connections.forget(&session.connection_id).await {
                    tracing::error!(%error, "the items of a gone connection could not be deleted");
                }
            }
            Delivery::Spent { attempts, cause } => {
                tracing::warn!(attempts, %cause, "a reply could not be sent");
            }
            Delivery::Refused(cause) => tracing::error!(%cause, "a reply was refused"),
        }
        delivery
    }
}
