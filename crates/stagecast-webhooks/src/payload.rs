//! The body of a webhook.

use serde::Deserialize;
use stagecast_contract::{timestamp::Timestamp, webhooks::WebhookEvent};

/// What a webhook has beside the message, read from the message.
#[derive(Debug, Deserialize)]
struct Header {
    r#type: WebhookEvent,
    timestamp: Timestamp,
}

/// The body of the webhook of a durable message, and its event. The message is `data`, byte for byte as in the log.
pub(crate) fn body_of(message: &str) -> Result<(WebhookEvent, String), serde_json::Error> {
    let Header { r#type, timestamp } = serde_json::from_str(message)?;
    let name = r#type.name();
    let body = format!(r#"{{"type":"{name}","timestamp":"{timestamp}","data":{message}}}"#);
    Ok((r#type, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_is_the_data_byte_for_byte() {
        let message = r#"{"type":"job_complete","job_id":"job_1_a","results":{ "b":1.0 },"timestamp":"2024-01-15T10:30:15Z","seq":3}"#;
        let (event, body) = body_of(message).expect("a durable message");
        assert_eq!(event, WebhookEvent::JobComplete);
        let head = r#"{"type":"job_complete","timestamp":"2024-01-15T10:30:15Z","data":"#;
        assert_eq!(body, format!("{head}{message}}}"));
    }

    #[test]
    fn message_that_is_not_durable_has_no_webhook() {
        let progress = r#"{"type":"progress_update","timestamp":"2024-01-15T10:30:15Z"}"#;
        assert!(body_of(progress).is_err());
    }
}
