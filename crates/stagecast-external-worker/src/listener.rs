//! Listens to a queue over the WebSocket API, so that an idle worker is woken instead of polling.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use stagecast_client::{Backoff, Error, Rejection, http::HttpClient, websocket::WebSocket};
use stagecast_contract::ids::WorkerToken;
use tokio::{sync::mpsc::UnboundedSender, time::Instant};

/// API Gateway closes a connection after ten idle minutes.
const PING_INTERVAL: Duration = Duration::from_mins(4);
/// A connection without a reply within this time is treated as dead.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);
/// API Gateway closes a connection after two hours.
const RENEW_AFTER: Duration = Duration::from_mins(100);
const RENEW_SPREAD: Duration = Duration::from_mins(10);

/// What a listener reports.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The id that claims carry.
    Listening(String),
    JobAvailable,
    /// The connection is lost; another one is opened.
    Lost,
    /// The service rejects the listener for good.
    Rejected(Error),
    /// The service has no such message.
    Unsupported,
}

/// What to listen to.
#[derive(Clone, Debug)]
pub(crate) struct ListenTo {
    pub(crate) http: HttpClient,
    pub(crate) url: String,
    pub(crate) queue: String,
    pub(crate) token: WorkerToken,
}

/// Why a connection has ended.
enum End {
    Broken,
    /// It worked, and is replaced because of its age.
    Renewed,
    Final(Heard),
}

/// Listens until the service rejects it.
pub(crate) async fn listen(to: ListenTo, heard: UnboundedSender<Heard>) {
    let mut failures = 0;
    loop {
        let mut has_listened = false;
        let end = connection(&to, &heard, &mut has_listened).await;
        if has_listened {
            failures = 0;
            // The worker is gone if nothing receives this.
            let _ = heard.send(Heard::Lost);
        }
        match end {
            End::Final(last) => {
                let _ = heard.send(last);
                return;
            }
            End::Renewed => {}
            End::Broken => {
                failures += 1;
                let wait = Backoff::RECONNECT.wait(failures, fastrand::f64());
                tokio::time::sleep(wait).await;
            }
        }
    }
}

async fn connection(to: &ListenTo, heard: &UnboundedSender<Heard>, has_listened: &mut bool) -> End {
    let opening = WebSocket::connect(&to.http, &to.url);
    let Ok(Ok(mut socket)) = tokio::time::timeout(REPLY_TIMEOUT, opening).await else {
        return End::Broken;
    };
    let listen = json!({
        "type": "listen", "queue": to.queue, "worker_token": to.token.reveal(), "request_id": "listen",
    });
    if socket.send(listen.to_string()).await.is_err() {
        return End::Broken;
    }
    let now = Instant::now();
    let renew_at = now + RENEW_AFTER + RENEW_SPREAD.mul_f64(fastrand::f64());
    let (mut reply_by, mut ping_at) = (Some(now + REPLY_TIMEOUT), now + PING_INTERVAL);
    loop {
        let tick = reply_by.unwrap_or(ping_at).min(renew_at);
        let frame = tokio::select! {
            frame = socket.next() => frame,
            () = tokio::time::sleep_until(tick) => {
                let now = Instant::now();
                if reply_by.is_some_and(|at| at <= now) {
                    return End::Broken;
                }
                if renew_at <= now {
                    socket.close().await;
                    return End::Renewed;
                }
                if ping_at <= now {
                    let ping = json!({ "type": "ping", "request_id": "ping" });
                    if socket.send(ping.to_string()).await.is_err() {
                        return End::Broken;
                    }
                    (reply_by, ping_at) = (Some(now + REPLY_TIMEOUT), now + PING_INTERVAL);
                }
                continue;
            }
        };
        let Some(frame) = frame else {
            return End::Broken;
        };
        match Frame::parse(&frame, &to.queue) {
            Frame::Listening(listener) => {
                *has_listened = true;
                reply_by = None;
                let _ = heard.send(Heard::Listening(listener));
            }
            Frame::JobAvailable => drop(heard.send(Heard::JobAvailable)),
            Frame::Pong => reply_by = None,
            Frame::Error(rejection) => match rejection.code.as_deref() {
                Some("invalid_worker_token" | "queue_forbidden" | "unknown_queue") => {
                    return End::Final(Heard::Rejected(rejection.into()));
                }
                Some("unknown_type") => return End::Final(Heard::Unsupported),
                _ => return End::Broken,
            },
            Frame::Gateway => return End::Broken,
            Frame::Other => {}
        }
    }
}

#[derive(Debug, PartialEq)]
enum Frame {
    Listening(String),
    JobAvailable,
    Pong,
    Error(Rejection),
    /// A response of API Gateway, which has no type.
    Gateway,
    Other,
}

impl Frame {
    fn parse(text: &str, queue: &str) -> Self {
        #[derive(Deserialize)]
        struct Fields {
            r#type: Option<String>,
            queue: Option<String>,
            listener: Option<String>,
        }
        let Ok(fields) = serde_json::from_str::<Fields>(text) else {
            return Self::Gateway;
        };
        let is_of_queue = fields.queue.as_deref() == Some(queue);
        match (fields.r#type.as_deref(), fields.listener) {
            (Some("listening"), Some(listener)) if is_of_queue => Self::Listening(listener),
            (Some("job_available"), _) if is_of_queue => Self::JobAvailable,
            (Some("pong"), _) => Self::Pong,
            (Some("error"), _) => {
                let mut rejection = Rejection::read(0, text.as_bytes(), None);
                rejection.status = None;
                Self::Error(rejection)
            }
            (Some(_), _) => Self::Other,
            (None, _) => Self::Gateway,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_the_queue_are_recognised() {
        let parse = |text: &str| Frame::parse(text, "plans");
        let listening = r#"{"type":"listening","queue":"plans","listener":"l","request_id":"1"}"#;
        assert_eq!(parse(listening), Frame::Listening("l".to_owned()));
        assert_eq!(
            parse(r#"{"type":"job_available","queue":"plans"}"#),
            Frame::JobAvailable
        );
        assert_eq!(
            parse(r#"{"type":"job_available","queue":"other"}"#),
            Frame::Other
        );
        assert_eq!(parse(r#"{"type":"pong","request_id":"ping"}"#), Frame::Pong);
        assert_eq!(
            parse(r#"{"message":"Forbidden","requestId":"r"}"#),
            Frame::Gateway
        );
        assert_eq!(parse("["), Frame::Gateway);
        let error = r#"{"type":"error","code":"queue_forbidden","message":"m","request_id":"1"}"#;
        let Frame::Error(rejection) = parse(error) else {
            panic!("an error");
        };
        assert_eq!(rejection.code.as_deref(), Some("queue_forbidden"));
        assert_eq!(rejection.message, "m");
    }
}
