//! The frames that the service sends to a watch.

use std::time::Duration;

use serde::Deserialize;
use stagecast_contract::messages::ServerMessage;

use crate::error::Rejection;

/// A frame of the service.
pub(super) enum Frame {
    Message(Box<ServerMessage>),
    /// An error reply.
    Rejected(Rejection),
    /// API Gateway's response to a message that no function answered.
    Gateway(Rejection),
    /// A message of a later version of the service.
    Unknown,
}

impl Frame {
    pub(super) fn parse(text: &str) -> Self {
        #[derive(Deserialize)]
        struct Head {
            r#type: Option<String>,
            code: Option<String>,
            message: Option<serde_json::Value>,
            request_id: Option<String>,
            #[serde(rename = "requestId")]
            gateway_request_id: Option<String>,
            details: Option<serde_json::Map<String, serde_json::Value>>,
        }
        let rejection = |message: String| Rejection {
            status: None,
            code: None,
            message,
            request_id: None,
            details: serde_json::Map::new(),
            retry_after: None,
        };
        let Ok(head) = serde_json::from_str::<Head>(text) else {
            let start: String = text.chars().take(200).collect();
            return Self::Gateway(rejection(format!(
                "the service sent a frame that is not a JSON object: {start}"
            )));
        };
        let message = head.message.as_ref().and_then(|it| it.as_str());
        let message = message.unwrap_or("the service sent a frame without a type");
        match head.r#type.as_deref() {
            None => Self::Gateway(Rejection {
                request_id: head.gateway_request_id,
                ..rejection(message.to_owned())
            }),
            Some("error") => {
                let details = head.details.unwrap_or_default();
                let seconds = details
                    .get("retry_after_seconds")
                    .and_then(serde_json::Value::as_f64);
                let seconds = seconds.map(|it| Duration::try_from_secs_f64(it).unwrap_or_default());
                Self::Rejected(Rejection {
                    code: head.code,
                    request_id: head.request_id,
                    details,
                    retry_after: seconds,
                    ..rejection(message.to_owned())
                })
            }
            Some(_) => match serde_json::from_str::<ServerMessage>(text) {
                Ok(message) => Self::Message(Box::new(message)),
                Err(_) => Self::Unknown,
            },
        }
    }

    /// The `request_id` of the request that the frame replies to.
    pub(super) fn request_id(&self) -> Option<&str> {
        match self {
            Self::Rejected(rejection) => rejection.request_id.as_deref(),
            Self::Message(message) => match &**message {
                ServerMessage::Subscribed(reply) => Some(&reply.request_id),
                ServerMessage::Authenticated(reply) => Some(&reply.request_id),
                ServerMessage::Pong(reply) => Some(&reply.request_id),
                _ => None,
            },
            Self::Gateway(_) | Self::Unknown => None,
        }
    }
}
