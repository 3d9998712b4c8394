//! The WebSocket API as an AsyncAPI document.
//! <https://www.asyncapi.com/docs/reference/specification/v3.0.0>

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::{Map, Value, json};
use stagecast_contract::messages::ClientMessageType;

use super::{DocumentError, MessageSchemas, Variant};
use crate::stack::WEBSOCKET_STAGE;

const CHANNEL: &str = "connection";

/// The reply to a message that failed.
const ERROR: &str = "error";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    asyncapi: &'static str,
    info: Info,
    default_content_type: &'static str,
    servers: IndexMap<&'static str, Server>,
    channels: IndexMap<&'static str, Channel>,
    operations: IndexMap<String, ChannelOperation>,
    components: Components,
}

#[derive(Serialize)]
struct Info {
    title: &'static str,
    version: &'static str,
    description: &'static str,
    license: License,
}

#[derive(Serialize)]
struct License {
    name: &'static str,
}

#[derive(Serialize)]
struct Server {
    host: &'static str,
    pathname: String,
    protocol: &'static str,
    description: &'static str,
    variables: IndexMap<&'static str, Variable>,
}

#[derive(Serialize)]
struct Variable {
    description: &'static str,
}

#[derive(Serialize)]
struct Channel {
    address: &'static str,
    description: &'static str,
    messages: IndexMap<String, Reference>,
    bindings: Value,
}

#[derive(Serialize)]
struct ChannelOperation {
    action: Action,
    channel: Reference,
    summary: String,
    messages: Vec<Reference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<Reply>,
}

/// What the server does with a message.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Receive,
    Send,
}

#[derive(Serialize)]
struct Reply {
    channel: Reference,
    messages: Vec<Reference>,
}

#[derive(Serialize)]
struct Components {
    messages: IndexMap<String, Message>,
    schemas: Map<String, Value>,
}

#[derive(Serialize)]
struct Message {
    name: String,
    summary: String,
    payload: Value,
}

#[derive(Serialize)]
struct Reference {
    #[serde(rename = "$ref")]
    target: String,
}

impl Reference {
    fn to(target: impl Into<String>) -> Self {
        Self {
            target: target.into(),
        }
    }

    fn to_channel() -> Self {
        Self::to(format!("#/channels/{CHANNEL}"))
    }

    fn to_message_of_channel(name: &str) -> Self {
        Self::to(format!("#/channels/{CHANNEL}/messages/{name}"))
    }
}

/// Writes the document as YAML. `header` is its first line, a comment.
pub fn asyncapi(schemas: &MessageSchemas, header: &str) -> Result<String, DocumentError> {
    let client = schemas.client_messages()?;
    let server = schemas.server_messages()?;
    let document = Document {
        asyncapi: "3.0.0",
        info: Info {
            title: "Stagecast",
            version: env!("CARGO_PKG_VERSION"),
            description: "Streams live progress of jobs. Every message is a JSON text frame with a \
                          `type`.",
            license: License {
                name: env!("CARGO_PKG_LICENSE"),
            },
        },
        default_content_type: "application/json",
        servers: IndexMap::from([("aws", aws())]),
        channels: IndexMap::from([(CHANNEL, channel(&client, &server))]),
        operations: operations(&client, &server),
        components: Components {
            messages: client.iter().chain(&server).map(message).collect(),
            schemas: schemas
                .definitions()
                .iter()
                .map(|(name, schema)| (name.clone(), as_draft_7(schema)))
                .collect(),
        },
    };
    Ok(format!("{header}{}", serde_yaml::to_string(&document)?))
}

fn aws() -> Server {
    Server {
        host: "{api_id}.execute-api.{region}.amazonaws.com",
        pathname: format!("/{}", WEBSOCKET_STAGE.as_str()),
        protocol: "wss",
        description: "The deployed stack. Its output WebSocketUrl is the complete URL.",
        variables: IndexMap::from([
            (
                "api_id",
                Variable {
                    description: "The stack's output WebSocketApiId",
                },
            ),
            (
                "region",
                Variable {
                    description: "The region that the stack is in",
                },
            ),
        ]),
    }
}

fn channel(client: &[Variant], server: &[Variant]) -> Channel {
    Channel {
        address: "/",
        description: "A client's connection. It lasts two hours at most, and ten minutes without \
                      a message. The connection is subscribed to the job in its URL, if any.",
        messages: client
            .iter()
            .chain(server)
            .map(|message| {
                let target = format!("#/components/messages/{}", message.name);
                (message.name.to_owned(), Reference::to(target))
            })
            .collect(),
        bindings: json!({
            "ws": {
                "method": "GET",
                "query": {
                    "type": "object",
                    "properties": {
                        "job_id": {
                            "type": "string",
                            "description": "A job to subscribe to",
                        },
                        "access_key": {
                            "type": "string",
                            "description": "The access key of the job",
                        },
                    },
                },
                "bindingVersion": "0.1.0",
            },
        }),
    }
}

/// The client's requests with their replies, then the messages that are no replies.
fn operations(client: &[Variant], server: &[Variant]) -> IndexMap<String, ChannelOperation> {
    let mut operations = IndexMap::new();
    let mut replies = vec![ERROR];
    for (request, message) in ClientMessageType::ALL.iter().zip(client) {
        let own = request.replies();
        replies.extend(own);
        let own = own.iter().copied().chain([ERROR]);
        let operation = ChannelOperation {
            action: Action::Receive,
            channel: Reference::to_channel(),
            summary: message.description.to_owned(),
            messages: vec![Reference::to_message_of_channel(message.name)],
            reply: Some(Reply {
                channel: Reference::to_channel(),
                messages: own.map(Reference::to_message_of_channel).collect(),
            }),
        };
        operations.insert(message.name.to_owned(), operation);
    }
    for message in server {
        if !replies.contains(&message.name) {
            let operation = ChannelOperation {
                action: Action::Send,
                channel: Reference::to_channel(),
                summary: message.description.to_owned(),
                messages: vec![Reference::to_message_of_channel(message.name)],
                reply: None,
            };
            operations.insert(message.name.to_owned(), operation);
        }
    }
    operations
}

fn message(variant: &Variant) -> (String, Message) {
    let message = Message {
        name: variant.name.to_owned(),
        summary: variant.description.to_owned(),
        payload: as_draft_7(variant.schema),
    };
    (variant.name.to_owned(), message)
}

/// Converts a schema to draft 7, which AsyncAPI uses. It ignores all keywords beside a `$ref`.
fn as_draft_7(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let mut converted = Map::new();
            for (key, value) in fields {
                match (key.as_str(), value) {
                    ("$ref", Value::String(target)) => {
                        let target = target.replace("#/$defs/", "#/components/schemas/");
                        if fields.len() == 1 {
                            converted.insert("$ref".to_owned(), target.into());
                        } else {
                            converted.insert("allOf".to_owned(), json!([{ "$ref": target }]));
                        }
                    }
                    _ => {
                        converted.insert(key.clone(), as_draft_7(value));
                    }
                }
            }
            Value::Object(converted)
        }
        Value::Array(items) => items.iter().map(as_draft_7).collect(),
        scalar => scalar.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_has_an_operation_or_is_a_reply() {
        let schemas = MessageSchemas::of_contract().expect("schemas");
        let document = asyncapi(&schemas, "# generated\n").expect("a document");
        let document: Value = serde_yaml::from_str(&document).expect("YAML");
        let operations = document["operations"].to_string();
        let messages = document["components"]["messages"]
            .as_object()
            .expect("messages");
        assert!(messages.len() > 10);
        for name in messages.keys() {
            let reference = format!("\"#/channels/{CHANNEL}/messages/{name}\"");
            assert!(operations.contains(&reference), "{name}");
        }
    }

    #[test]
    fn keywords_beside_a_reference_are_kept() {
        let schema = json!({ "$ref": "#/$defs/JobId", "description": "The job." });
        assert_eq!(
            as_draft_7(&schema),
            json!({
                "allOf": [{ "$ref": "#/components/schemas/JobId" }],
                "description": "The job.",
            })
        );
    }
}
