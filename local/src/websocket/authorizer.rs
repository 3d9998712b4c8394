//! REQUEST authorizers: a function decides whether a client may connect, as for API Gateway.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::api::WebSocketApi;
use crate::lambda::InvokeError;

/// What became of a handshake that an authorizer was asked about.
#[derive(Debug, PartialEq)]
pub(super) enum Decision {
    /// The client may connect. `$connect` and every later event carry this as their
    /// `requestContext.authorizer`.
    Allowed(Map<String, Value>),
    /// The status that the handshake is answered with.
    Refused(u64),
}

impl WebSocketApi {
    /// Asks the function `function`. `connect` is the event that `$connect` would get.
    pub(super) async fn authorize(
        &self,
        function: &str,
        identity_sources: &[String],
        connect: &Value,
    ) -> Decision {
        if !identity_sources.iter().all(|source| has(connect, source)) {
            return Decision::Refused(401);
        }
        let Some(function) = self.function(function) else {
            return Decision::Refused(500);
        };
        let arn = self.method_arn();
        let event = request(connect, &arn);
        let answer = function.invoke(Bytes::from(event.to_string())).await;
        match answer {
            Ok(answer) => match serde_json::from_slice(&answer) {
                Ok(answer) => decision(&answer, &arn),
                Err(_) => Decision::Refused(500),
            },
            // How a function says that the client has to show who it is.
            Err(InvokeError::Function { message, .. }) if message == "Unauthorized" => {
                Decision::Refused(401)
            }
            Err(error) => {
                tracing::error!("the authorizer of $connect failed: {error}");
                Decision::Refused(500)
            }
        }
    }
}

/// The authorizer's event: that of `$connect`, and what is asked about.
fn request(connect: &Value, arn: &str) -> Value {
    let mut event = connect.clone();
    event["type"] = "REQUEST".into();
    event["methodArn"] = arn.into();
    event
}

/// Whether the request has the part that an identity source names.
fn has(connect: &Value, source: &str) -> bool {
    let is_given = |value: Option<&Value>| {
        value
            .and_then(Value::as_str)
            .is_some_and(|it| !it.is_empty())
    };
    if let Some(name) = source.strip_prefix("route.request.querystring.") {
        return is_given(connect["queryStringParameters"].get(name));
    }
    let Some(name) = source.strip_prefix("route.request.header.") else {
        return false;
    };
    let headers = connect["headers"].as_object();
    let header = headers.and_then(|headers| {
        let mut headers = headers.iter();
        headers.find(|(header, _)| header.eq_ignore_ascii_case(name))
    });
    is_given(header.map(|(_, value)| value))
}

/// What the function's answer comes to.
fn decision(answer: &Value, arn: &str) -> Decision {
    let Some(principal) = answer["principalId"].as_str() else {
        return Decision::Refused(500);
    };
    let statements = match &answer["policyDocument"]["Statement"] {
        Value::Array(statements) => statements.as_slice(),
        Value::Null => return Decision::Refused(500),
        statement => std::slice::from_ref(statement),
    };
    let matching = |effect: &str| {
        statements.iter().any(|statement| {
            statement["Effect"] == effect
                && any(&statement["Action"], |action| {
                    fits(action, "execute-api:Invoke")
                })
                && any(&statement["Resource"], |resource| fits(resource, arn))
        })
    };
    if matching("Deny") || !matching("Allow") {
        return Decision::Refused(403);
    }
    let mut context = answer["context"].as_object().cloned().unwrap_or_default();
    context.insert("principalId".to_owned(), json!(principal));
    Decision::Allowed(context)
}

fn any(one_or_many: &Value, fits: impl Fn(&str) -> bool) -> bool {
    match one_or_many {
        Value::String(one) => fits(one),
        Value::Array(many) => many.iter().filter_map(Value::as_str).any(fits),
        _ => false,
    }
}

/// Whether a pattern of IAM, in which `*` stands for anything, fits a text.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<_> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:execute-api:us-east-1:000000000000:websocketapi/live/$connect";

    fn answer(effect: &str, resource: &str) -> Value {
        json!({
            "principalId": "user",
            "policyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    { "Action": "execute-api:Invoke", "Effect": effect, "Resource": resource },
                ],
            },
            "context": { "tenant": "a" },
        })
    }

    #[test]
    fn an_allowed_client_brings_its_context() {
        for resource in [ARN, "*", "arn:aws:execute-api:*:websocketapi/*/$connect"] {
            let Decision::Allowed(context) = decision(&answer("Allow", resource), ARN) else {
                panic!("{resource} is refused");
            };
            assert_eq!(context["principalId"], "user");
            assert_eq!(context["tenant"], "a");
        }
    }

    #[test]
    fn a_policy_that_denies_or_is_about_something_else_refuses_with_403() {
        for (effect, resource) in [("Deny", "*"), ("Allow", "arn:aws:execute-api:*:other/*")] {
            assert_eq!(
                decision(&answer(effect, resource), ARN),
                Decision::Refused(403)
            );
        }
    }

    #[test]
    fn an_answer_that_is_no_policy_is_a_failure() {
        for broken in [
            json!({}),
            json!({ "principalId": "user" }),
            json!({ "isAuthorized": true }),
        ] {
            assert_eq!(decision(&broken, ARN), Decision::Refused(500), "{broken}");
        }
    }

    #[test]
    fn identity_sources_are_parts_of_the_query_or_headers_in_any_case() {
        let connect = json!({
            "headers": { "X-Token": "t", "Empty": "" },
            "queryStringParameters": { "token": "t" },
        });
        assert!(has(&connect, "route.request.querystring.token"));
        assert!(has(&connect, "route.request.header.x-token"));
        assert!(!has(&connect, "route.request.querystring.other"));
        assert!(!has(&connect, "route.request.header.empty"));
        assert!(!has(&json!({}), "route.request.querystring.token"));
    }
}
