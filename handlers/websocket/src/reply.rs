//! Replies: posted like any other message, since a route's answer does not reach the client.

use bytes::Bytes;
use contract::{
    ids::JobId,
    messages::{ErrorReply, ProtocolError, ServerMessage},
    queues::{DeliveryQueue, DeliveryTask, Recipients},
};
use handlers_core::{
    delivery::{Delivery, Destination, deliver},
    models::Event,
};

use crate::handler::{Handler, Session, UndeliveredReply};

impl Handler {
    /// Posts a reply. A failed post is logged: the client asks again if it misses the reply. A
    /// post that no further attempt can get through also fails the invocation.
    pub(crate) async fn reply(&self, session: &Session, reply: &ServerMessage) -> Delivery {
        let delivery = self.post(session, Bytes::from(reply.to_json())).await;
        if let Delivery::Refused(cause) = &delivery {
            // Later replies of the same event fail for the same cause: the first one is enough.
            let _ = session.undelivered.set(UndeliveredReply(cause.clone()));
        }
        delivery
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

    /// Posts events in order. What cannot be posted now is left to the delivery function. True when all
    /// of them were posted.
    pub(crate) async fn replay(&self, session: &Session, events: &[Event]) -> bool {
        let last = events.last().map_or(0, |event| event.seq);
        for event in events {
            let delivery = if session.budget().total.is_zero() {
                None
            } else {
                let message = Bytes::from(event.message.clone());
                Some(self.post(session, message).await)
            };
            match delivery {
                Some(Delivery::Sent { .. }) => {}
                None | Some(Delivery::Spent { .. }) => {
                    let before = event.seq.saturating_sub(1);
                    self.leave(session, &event.job_id, before, last).await;
                    return false;
                }
                Some(Delivery::Gone | Delivery::Refused(_) | Delivery::Superseded) => return false,
            }
        }
        true
    }

    /// Leaves the job's log after `after_seq` and through `through_seq` to the delivery function.
    pub(crate) async fn leave(
        &self,
        session: &Session,
        job_id: &JobId,
        after_seq: u64,
        through_seq: u64,
    ) {
        let alone = Recipients::Connections(vec![session.connection_id.clone()]);
        let pointer = DeliveryTask::log(job_id.clone(), alone, after_seq).through(through_seq);
        if let Err(error) = self.queues.send::<DeliveryQueue>(&pointer, 0).await {
            tracing::error!(%error, %job_id, after_seq, "a replay could not be queued");
        }
    }

    async fn post(&self, session: &Session, message: Bytes) -> Delivery {
        let destination = Destination {
            connection_id: session.connection_id.clone(),
            connected_at: session.connected_at,
        };
        let delivery = deliver(
            &self.api,
            &destination,
            &message,
            &session.budget(),
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
