//! The events for functions of WebSocket routes.

use std::collections::BTreeMap;

use http::{HeaderMap, Request};
use serde_json::{Map, Value, json};

use super::connection::{Closing, Connection};
use crate::{clock::Timestamp, ids, template::WebSocketApiResource};

/// The route of an event.
#[derive(Debug)]
pub(super) struct Route<'a> {
    api: &'a WebSocketApiResource,
    key: String,
    event_type: &'static str,
    pub(super) request_id: String,
}

impl<'a> Route<'a> {
    pub(super) fn connect(api: &'a WebSocketApiResource) -> Self {
        Self {
            api,
            key: "$connect".to_owned(),
            event_type: "CONNECT",
            request_id: ids::gateway_request_id(),
        }
    }

    pub(super) fn disconnect(api: &'a WebSocketApiResource) -> Self {
        Self {
            api,
            key: "$disconnect".to_owned(),
            event_type: "DISCONNECT",
            request_id: ids::gateway_request_id(),
        }
    }

    pub(super) fn message(api: &'a WebSocketApiResource, key: String, request_id: String) -> Self {
        Self {
            api,
            key,
            event_type: "MESSAGE",
            request_id,
        }
    }

    fn context(&self, connection: &Connection) -> Map<String, Value> {
        let now = Timestamp::now();
        let context = json!({
            "routeKey": self.key,
            "eventType": self.event_type,
            "extendedRequestId": self.request_id,
            "requestTime": now.common_log(),
            "messageDirection": "IN",
            "stage": self.api.stage,
            "connectedAt": connection.connected_at.epoch_milliseconds(),
            "requestTimeEpoch": now.epoch_milliseconds(),
            "identity": {
                "sourceIp": connection.source_ip,
                "userAgent": connection.user_agent,
            },
            "requestId": self.request_id,
            "domainName": connection.domain,
            "connectionId": connection.id,
            "apiId": self.api.id,
        });
        let mut fields = match context {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        if let Some(authorizer) = connection.authorizer() {
            fields.insert("authorizer".to_owned(), json!(authorizer));
        }
        fields
    }
}

/// The event of `$connect`, the only one with the client's headers and query.
pub(super) fn connect<B>(
    route: &Route<'_>,
    connection: &Connection,
    request: &Request<B>,
) -> Value {
    let mut event = Map::new();
    let headers = headers(request.headers(), connection);
    event.insert("headers".to_owned(), last_of_each(&headers));
    event.insert("multiValueHeaders".to_owned(), json!(headers));
    let query = query(request.uri().query().unwrap_or_default());
    if !query.is_empty() {
        event.insert("queryStringParameters".to_owned(), last_of_each(&query));
        event.insert("multiValueQueryStringParameters".to_owned(), json!(query));
    }
    event.insert(
        "requestContext".to_owned(),
        route.context(connection).into(),
    );
    event.insert("isBase64Encoded".to_owned(), false.into());
    event.into()
}

/// The event of a message.
pub(super) fn message(route: &Route<'_>, connection: &Connection, body: &str) -> Value {
    let mut context = route.context(connection);
    context.insert("messageId".to_owned(), ids::gateway_request_id().into());
    json!({
        "requestContext": context,
        "body": body,
        "isBase64Encoded": false,
    })
}

/// The event of `$disconnect`.
pub(super) fn disconnect(route: &Route<'_>, connection: &Connection, closing: &Closing) -> Value {
    let mut context = route.context(connection);
    context.insert("disconnectStatusCode".to_owned(), closing.status.into());
    context.insert("disconnectReason".to_owned(), json!(closing.reason));
    let headers = BTreeMap::from([
        ("Host".to_owned(), vec![connection.domain.clone()]),
        ("X-Forwarded-For".to_owned(), vec![String::new()]),
        ("x-api-key".to_owned(), vec![String::new()]),
        ("x-restapi".to_owned(), vec![String::new()]),
    ]);
    json!({
        "headers": last_of_each(&headers),
        "multiValueHeaders": headers,
        "requestContext": context,
        "isBase64Encoded": false,
    })
}

type MultiValueMap = BTreeMap<String, Vec<String>>;

fn headers(headers: &HeaderMap, connection: &Connection) -> MultiValueMap {
    let mut multi = MultiValueMap::new();
    for (name, value) in headers {
        // These concern only the connection between the client and API Gateway.
        if matches!(name.as_str(), "connection" | "upgrade") {
            continue;
        }
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        multi
            .entry(title_case(name.as_str()))
            .or_default()
            .push(value);
    }
    multi.insert(
        "X-Forwarded-For".to_owned(),
        vec![connection.source_ip.clone()],
    );
    multi.insert("X-Forwarded-Proto".to_owned(), vec!["http".to_owned()]);
    multi
}

/// `user-agent` becomes `User-Agent`. The HTTP server lowers the case of header names; API Gateway keeps
/// the client's spelling.
fn title_case(name: &str) -> String {
    let words = name.split('-').map(|word| match word {
        "websocket" => "WebSocket".to_owned(),
        word => {
            let (first, rest) = word.split_at(usize::from(!word.is_empty()));
            first.to_ascii_uppercase() + rest
        }
    });
    words.collect::<Vec<_>>().join("-")
}

fn query(query: &str) -> MultiValueMap {
    let mut multi = MultiValueMap::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        multi
            .entry(name.into_owned())
            .or_default()
            .push(value.into_owned());
    }
    multi
}

fn last_of_each(multi: &MultiValueMap) -> Value {
    let single = multi
        .iter()
        .filter_map(|(name, values)| Some((name, values.last()?)));
    json!(single.collect::<BTreeMap<_, _>>())
}
