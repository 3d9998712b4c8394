//! The messages that clients send.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{json, value::RawValue};
use typed_contract::const_fmt;

use super::{ErrorCode, ProtocolError};
use crate::{
    ids::{AccessKey, JobId, OwnerToken, WorkerToken},
    limits,
    owner_tokens::is_owner,
    reading::{self, FieldError},
    worker_queues::QueueName,
};

/// Declares the messages of clients: for each its type, its `type`, its fields, its documentation, its
/// replies, and its route (`message_routes!`).
macro_rules! client_messages {
    // `$dollar` is `$`, which the macro that this one declares needs.
    (
        $dollar:tt
        $(
            $(#[doc = $documentation:literal])*
            $variant:ident = $name:literal -> $reply:ident $(| $other_reply:ident)* {
                $($(#[$field_attribute:meta])* $field:ident: $field_type:ty,)*
            }
        )*
    ) => {
        $(
            $(#[doc = $documentation])*
            #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
            #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
            pub struct $variant {
                $($(#[$field_attribute])* pub $field: $field_type,)*
            }
        )*

        /// A message from a client. `type` selects the variant.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(tag = "type")]
        pub enum ClientMessage {
            $($(#[doc = $documentation])* #[serde(rename = $name)] $variant($variant),)*
        }

        /// The `type` of a [`ClientMessage`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ClientMessageType {
            $($(#[doc = $documentation])* $variant,)*
        }

        impl ClientMessageType {
            /// Every type.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The values of `type` for every type.
            pub const NAMES: &[&str] = &[$($name,)*];

            /// The value of `type` in a message.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The type with this name.
            pub const fn from_name(name: &str) -> Option<Self> {
                match const_fmt::position(name, Self::NAMES) {
                    Some(index) => Some(Self::ALL[index]),
                    None => None,
                }
            }

            /// The values of `type` in the replies to messages that succeeded.
            pub const fn replies(self) -> &'static [&'static str] {
                match self {
                    $(Self::$variant => &[
                        <super::$reply as super::MessageType>::NAME,
                        $(<super::$other_reply as super::MessageType>::NAME,)*
                    ],)*
                }
            }
        }

        fn from_text(kind: ClientMessageType, text: &str) -> Result<ClientMessage, ProtocolError> {
            Ok(match kind {
                $(ClientMessageType::$variant => ClientMessage::$variant(read($name, text)?),)*
            })
        }

        /// Declares a WebSocket API's routes: the given ones, then one for each message of clients.
        macro_rules! message_routes {
            (
                $dollar(#[$dollar documentation:meta])*
                pub enum $dollar route:ident {
                    $dollar($dollar lifecycle:tt)*
                }
            ) => {
                typed_contract::routes! {
                    $dollar(#[$dollar documentation])*
                    pub enum $dollar route for ClientMessageType {
                        $dollar($dollar lifecycle)*
                        $($(#[doc = $documentation])* $variant = $name,)*
                    }
                }
            };
        }
        pub(crate) use message_routes;
    };
}

client_messages! { $
    /// Subscribe to a job, or to the feed of an owner: all jobs of the owner, also those that are created later. The
    /// message has either a `job_id` or an `owner`.
    Subscribe = "subscribe" -> Subscribed | OwnerSubscribed {
        /// The job.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job_id: Option<JobId>,
        /// The owner, who must be that of `token`. The reply is `owner_subscribed`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<String>,
        /// The job's access key. Optional on a connection that is already subscribed to the job.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        access_key: Option<AccessKey>,
        /// An owner token with the scope `watch`, in place of the access key. Required with `owner`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<OwnerToken>,
        /// Send the durable messages after this `seq`. If absent, all of them are sent. Not used with `owner`.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            deserialize_with = "reading::optional_whole_number"
        )]
        after_seq: Option<u64>,
    }

    /// Unsubscribe from a job, or from the feed of an owner. The message has either a `job_id` or an `owner`.
    Unsubscribe = "unsubscribe" -> Unsubscribed | OwnerUnsubscribed {
        /// The job.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job_id: Option<JobId>,
        /// The owner. The reply is `owner_unsubscribed`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<String>,
    }

    /// Cancel a job.
    CancelJob = "cancel_job" -> CancelRequested {
        /// The job.
        job_id: JobId,
        /// The job's access key. Optional on a connection that is already subscribed to the job, unless the job has an
        /// owner.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        access_key: Option<AccessKey>,
        /// An owner token with the scope `cancel`, in place of the access key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<OwnerToken>,
    }

    /// Request a job's snapshot.
    RequestStatus = "request_status" -> StatusReply {
        /// The job.
        job_id: JobId,
        /// The job's access key. Optional on a connection that is already subscribed to the job.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        access_key: Option<AccessKey>,
        /// An owner token with the scope `watch`, in place of the access key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<OwnerToken>,
    }

    /// Listen to a queue of external workers: `job_available` is sent when one of its jobs can be claimed.
    Listen = "listen" -> Listening {
        /// The queue.
        queue: QueueName,
        /// A token that can claim jobs from the queue.
        worker_token: WorkerToken,
    }

    /// Stop listening to a queue.
    StopListening = "stop_listening" -> StoppedListening {
        /// The queue.
        queue: QueueName,
    }

    /// Extend the subscriptions that owner tokens have opened, by a newer token of the same owner.
    Authenticate = "authenticate" -> Authenticated {
        /// An owner token with the scope `watch`.
        token: OwnerToken,
    }

    /// Keep an idle connection open.
    Ping = "ping" -> Pong {}
}

/// What a client subscribes to, or unsubscribes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionTarget<'a> {
    /// A job.
    Job(&'a JobId),
    /// All jobs of this owner.
    Owner(&'a str),
}

impl Subscribe {
    /// What the client subscribes to. [`ClientRequest::parse`] refuses a message with both fields, or with neither.
    pub fn target(&self) -> Result<SubscriptionTarget<'_>, ProtocolError> {
        target("subscribe", self.job_id.as_ref(), self.owner.as_deref())
    }
}

impl Unsubscribe {
    /// What the client unsubscribes from, as [`Subscribe::target`].
    pub fn target(&self) -> Result<SubscriptionTarget<'_>, ProtocolError> {
        target("unsubscribe", self.job_id.as_ref(), self.owner.as_deref())
    }
}

fn target<'a>(
    name: &str,
    job_id: Option<&'a JobId>,
    owner: Option<&'a str>,
) -> Result<SubscriptionTarget<'a>, ProtocolError> {
    let invalid = |field, problem: &str| {
        let message = format!("`{field}` of `{name}`: {problem}");
        Err(ProtocolError::new(ErrorCode::InvalidMessage, message)
            .with_details(json!({ "field": field })))
    };
    match (job_id, owner) {
        (Some(job_id), None) => Ok(SubscriptionTarget::Job(job_id)),
        (None, Some(owner)) if is_owner(owner) => Ok(SubscriptionTarget::Owner(owner)),
        (None, Some(_)) => invalid(
            "owner",
            "must have 1 to 255 bytes and no control characters, as the owner of a token",
        ),
        (None, None) => invalid("job_id", "is missing"),
        (Some(_), Some(_)) => invalid("owner", "the message has a `job_id` as well; send one"),
    }
}

/// A client's message with its `request_id`, which every reply repeats.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientRequest {
    /// The `request_id` that the client chose, if any.
    pub request_id: Option<String>,
    /// The message, or why the frame was rejected.
    pub message: Result<ClientMessage, ProtocolError>,
}

/// Length limit of a `request_id`, in bytes.
const MAX_REQUEST_ID_BYTES: usize = 128;

impl ClientRequest {
    /// Parses a frame. Unknown fields are ignored; every other fault is an error that names the
    /// field.
    pub fn parse(frame: &str) -> Self {
        if frame.len() > limits::MAX_CLIENT_MESSAGE_BYTES {
            return Self::rejected(
                ProtocolError::new(
                    ErrorCode::MessageTooLarge,
                    format!(
                        "the message has {} bytes; send at most {}",
                        frame.len(),
                        limits::MAX_CLIENT_MESSAGE_BYTES
                    ),
                )
                .with_details(json!({ "max_bytes": limits::MAX_CLIENT_MESSAGE_BYTES })),
            );
        }
        let text = match reading::json(frame.as_bytes()) {
            Ok(text) => text,
            Err(problem) => {
                return Self::rejected(ProtocolError::new(
                    ErrorCode::InvalidJson,
                    format!(
                        "the message is not JSON: {problem}; send an object like \
                         {{\"type\":\"ping\"}}"
                    ),
                ));
            }
        };
        if !text.trim_start().starts_with('{') {
            return Self::rejected(ProtocolError::new(
                ErrorCode::InvalidJson,
                "the message is not a JSON object; send one like {\"type\":\"ping\"}",
            ));
        }
        let Head { kind, request_id } = match reading::object("", text) {
            Ok(head) => head,
            Err(error) => {
                return Self::rejected(ProtocolError::new(
                    ErrorCode::InvalidMessage,
                    format!("the message: {}", error.problem),
                ));
            }
        };
        let request_id = match request_id.map(|raw| serde_json::from_str::<String>(raw.get())) {
            Some(Ok(id)) if id.len() <= MAX_REQUEST_ID_BYTES => Some(id),
            None => None,
            Some(_) => {
                return Self::rejected(
                    ProtocolError::new(
                        ErrorCode::InvalidMessage,
                        format!(
                            "`request_id` must be a string of at most {MAX_REQUEST_ID_BYTES} bytes"
                        ),
                    )
                    .with_details(json!({ "field": "request_id" })),
                );
            }
        };
        Self {
            request_id,
            message: message(kind, text),
        }
    }

    fn rejected(error: ProtocolError) -> Self {
        Self {
            request_id: None,
            message: Err(error),
        }
    }
}

/// The fields that are parsed before the type is known.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type", default, borrow)]
    kind: Option<&'a RawValue>,
    #[serde(default, borrow)]
    request_id: Option<&'a RawValue>,
}

fn message(kind: Option<&RawValue>, text: &str) -> Result<ClientMessage, ProtocolError> {
    let known = || ClientMessageType::NAMES.join(", ");
    match kind.map(|raw| serde_json::from_str::<String>(raw.get())) {
        Some(Ok(name)) => {
            let Some(kind) = ClientMessageType::from_name(&name) else {
                let name: String = name.chars().take(64).collect();
                return Err(ProtocolError::new(
                    ErrorCode::UnknownType,
                    format!("unknown message type '{name}'; use one of {}", known()),
                )
                .with_details(json!({ "type": name })));
            };
            let message = from_text(kind, text)?;
            match &message {
                ClientMessage::Subscribe(subscribe) => {
                    subscribe.target()?;
                }
                ClientMessage::Unsubscribe(unsubscribe) => {
                    unsubscribe.target()?;
                }
                _ => {}
            }
            Ok(message)
        }
        Some(Err(_)) | None => Err(ProtocolError::new(
            ErrorCode::InvalidMessage,
            format!("`type` must be a string, one of {}", known()),
        )
        .with_details(json!({ "field": "type" }))),
    }
}

fn read<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, ProtocolError> {
    reading::object("", text).map_err(|FieldError { path, problem }| {
        if path.is_empty() {
            ProtocolError::new(ErrorCode::InvalidMessage, format!("`{name}`: {problem}"))
        } else {
            ProtocolError::new(
                ErrorCode::InvalidMessage,
                format!("`{path}` of `{name}`: {problem}"),
            )
            .with_details(json!({ "field": path }))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_error(frame: &str) -> ProtocolError {
        ClientRequest::parse(frame).message.expect_err("an error")
    }

    #[test]
    fn subscribe_is_parsed_and_unknown_fields_are_ignored() {
        let request = ClientRequest::parse(
            r#"{"type":"subscribe","job_id":"job_20240115_ab","access_key":"k","after_seq":12,"x":1,"request_id":"mine"}"#,
        );
        assert_eq!(request.request_id.as_deref(), Some("mine"));
        assert_eq!(
            request.message,
            Ok(ClientMessage::Subscribe(Subscribe {
                job_id: Some("job_20240115_ab".parse().expect("an id")),
                owner: None,
                access_key: Some(AccessKey::from_client("k")),
                token: None,
                after_seq: Some(12),
            }))
        );
    }

    #[test]
    fn broken_json_is_invalid_json() {
        assert_eq!(parse_error("hello").code, ErrorCode::InvalidJson);
        assert_eq!(parse_error("[1]").code, ErrorCode::InvalidJson);
        assert_eq!(parse_error("").code, ErrorCode::InvalidJson);
    }

    #[test]
    fn unknown_type_error_lists_the_known_types() {
        let error = parse_error(r#"{"type":"subscribbe"}"#);
        assert_eq!(error.code, ErrorCode::UnknownType);
        assert!(error.message.contains("'subscribbe'"), "{error}");
        assert!(error.message.contains("request_status"), "{error}");
    }

    #[test]
    fn wrong_field_type_error_names_the_field() {
        let error = parse_error(r#"{"type":"subscribe","job_id":"job_1_a","after_seq":"12"}"#);
        assert_eq!(error.code, ErrorCode::InvalidMessage);
        assert!(error.message.contains("`after_seq`"), "{error}");
        assert!(
            error.message.contains("a whole number of 0 or more"),
            "{error}"
        );
        let error = parse_error(r#"{"type":"subscribe"}"#);
        assert_eq!(error.message, "`job_id` of `subscribe`: is missing");
        assert_eq!(error.details, Some(json!({ "field": "job_id" })));
        assert_eq!(parse_error(r#"{"type":5}"#).code, ErrorCode::InvalidMessage);
    }

    #[test]
    fn subscription_is_to_a_job_or_to_an_owner() {
        let frame = r#"{"type":"subscribe","owner":"user-7","token":"a.b.c"}"#;
        let request = ClientRequest::parse(frame);
        let Ok(ClientMessage::Subscribe(subscribe)) = request.message else {
            panic!("{request:?}");
        };
        assert_eq!(subscribe.target(), Ok(SubscriptionTarget::Owner("user-7")));
        for kind in ["subscribe", "unsubscribe"] {
            let frame = json!({ "type": kind, "job_id": "job_1_a", "owner": "user-7" });
            let error = parse_error(&frame.to_string());
            assert_eq!(error.details, Some(json!({ "field": "owner" })), "{kind}");
        }
        for owner in ["", "a\nb", &"x".repeat(256)] {
            let frame = json!({ "type": "unsubscribe", "owner": owner });
            let error = parse_error(&frame.to_string());
            assert_eq!(error.details, Some(json!({ "field": "owner" })), "{owner}");
        }
        let error = parse_error(r#"{"type":"unsubscribe"}"#);
        assert_eq!(error.message, "`job_id` of `unsubscribe`: is missing");
    }

    #[test]
    fn unknown_fields_of_any_content_are_ignored() {
        for value in [
            "1e400",
            r#""\ud800""#,
            &("[".repeat(1_000) + &"]".repeat(1_000)),
        ] {
            let request = ClientRequest::parse(&format!(r#"{{"x":{value},"type":"ping"}}"#));
            assert_eq!(request.message, Ok(ClientMessage::Ping(Ping {})), "{value}");
        }
    }

    #[test]
    fn listen_is_parsed_and_its_token_is_not_printed() {
        let token = WorkerToken::new([1; 8], [2; 16]);
        let frame = json!({"type": "listen", "queue": "plans", "worker_token": token.reveal()});
        let request = ClientRequest::parse(&frame.to_string());
        assert!(!format!("{request:?}").contains(&"02".repeat(16)));
        let queue = "plans".parse().expect("a name");
        let listen = Listen {
            queue,
            worker_token: token,
        };
        assert_eq!(request.message, Ok(ClientMessage::Listen(listen)));
        let error = parse_error(r#"{"type":"stop_listening","queue":"default"}"#);
        assert_eq!(error.code, ErrorCode::InvalidMessage);
        assert_eq!(error.details, Some(json!({ "field": "queue" })));
    }

    #[test]
    fn oversized_message_is_rejected_before_parsing() {
        let frame = format!(r#"{{"type":"ping","x":"{}"}}"#, "a".repeat(10_000));
        assert_eq!(parse_error(&frame).code, ErrorCode::MessageTooLarge);
    }
}
