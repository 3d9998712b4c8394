//! Events in payload format 2.0.

use std::{collections::BTreeMap, net::SocketAddr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, Request, header};
use serde_json::{Value, json};

use super::routes::RouteMatch;
use crate::{clock::Timestamp, http_util::header_text, ids, template::HttpApiResource};

/// An event without its body.
pub(super) struct Event {
    event: Value,
    is_text: bool,
}

impl Event {
    pub(super) fn new<B>(
        api: &HttpApiResource,
        found: &RouteMatch<'_>,
        request: &Request<B>,
        peer: SocketAddr,
    ) -> Self {
        let now = Timestamp::now();
        let headers = request.headers();
        let domain = header_text(headers, header::HOST);
        let path = request.uri().path();
        let query = request.uri().query().unwrap_or_default();
        let mut event = json!({
            "version": "2.0",
            "routeKey": found.key,
            "rawPath": path,
            "rawQueryString": query,
            "headers": joined(headers, peer),
            "requestContext": {
                "accountId": "anonymous",
                "apiId": api.id,
                "domainName": domain,
                "domainPrefix": domain.split('.').next().unwrap_or_default(),
                "http": {
                    "method": request.method().as_str(),
                    "path": path,
                    "protocol": format!("{:?}", request.version()),
                    "sourceIp": peer.ip().to_string(),
                    "userAgent": header_text(headers, header::USER_AGENT),
                },
                "requestId": ids::gateway_request_id(),
                "routeKey": found.key,
                "stage": api.stage,
                "time": now.common_log(),
                "timeEpoch": now.epoch_milliseconds(),
            },
        });
        let cookies = header_text(headers, header::COOKIE);
        if !cookies.is_empty() {
            event["cookies"] = cookies.split("; ").collect();
        }
        if !query.is_empty() {
            event["queryStringParameters"] = json!(parameters(query));
        }
        if !found.parameters.is_empty() {
            event["pathParameters"] = json!(found.parameters);
        }
        Self {
            event,
            is_text: is_text(header_text(headers, header::CONTENT_TYPE)),
        }
    }

    /// Adds the claims of the token.
    pub(super) fn set_claims(&mut self, claims: &Value) {
        // API Gateway converts every claim to a string.
        let texts: BTreeMap<_, _> = claims
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| {
                let text = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                (name.clone(), text)
            })
            .collect();
        let scopes: Option<Vec<&str>> = claims["scope"].as_str().map(|it| it.split(' ').collect());
        self.event["requestContext"]["authorizer"] =
            json!({ "jwt": { "claims": texts, "scopes": scopes } });
    }

    pub(super) fn with_body(mut self, body: &[u8]) -> Value {
        let text = std::str::from_utf8(body).ok().filter(|_| self.is_text);
        self.event["isBase64Encoded"] = (text.is_none() && !body.is_empty()).into();
        if !body.is_empty() {
            let body = text.map_or_else(|| STANDARD.encode(body), str::to_owned);
            self.event["body"] = body.into();
        }
        self.event
    }
}

/// The headers with names in lower case and repeated values joined by commas.
fn joined(headers: &HeaderMap, peer: SocketAddr) -> BTreeMap<String, String> {
    let mut joined = BTreeMap::<String, String>::new();
    for (name, value) in headers {
        if name == header::COOKIE || name == header::CONNECTION {
            continue;
        }
        let value = String::from_utf8_lossy(value.as_bytes());
        append(&mut joined, name.as_str(), &value);
    }
    joined.insert("x-forwarded-for".to_owned(), peer.ip().to_string());
    joined.insert("x-forwarded-proto".to_owned(), "http".to_owned());
    joined
}

fn parameters(query: &str) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        append(&mut parameters, &name, &value);
    }
    parameters
}

fn append(map: &mut BTreeMap<String, String>, name: &str, value: &str) {
    map.entry(name.to_owned())
        .and_modify(|values| {
            values.push(',');
            values.push_str(value);
        })
        .or_insert_with(|| value.to_owned());
}

/// Whether API Gateway passes a body of this media type as text instead of Base64.
fn is_text(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    media_type.starts_with("text/")
        || matches!(
            media_type,
            "application/json" | "application/javascript" | "application/xml"
        )
}
