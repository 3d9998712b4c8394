//! REQUEST authorizers: a function decides whether a client may connect.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::lambda::{Function, InvokeError};

/// An authorizer's decision about a handshake.
#[derive(Debug, PartialEq)]
pub(super) enum Decision {
    /// The client may connect. This is `requestContext.authorizer` of `$connect` and of all later
    /// events.
    Allowed(Map<String, Value>),
    /// The handshake is rejected with this status.
    Denied(u64),
}

/// Invokes the authorizer `function`. `connect` is the event of `$connect`, `arn` the resource that the
/// authorizer's policy must allow.
pub(super) async fn authorize(
    function: Option<&Arc<Function>>,
    identity_sources: &[String],
    connect: &Value,
    arn: &str,
) -> Decision {
    if !identity_sources
        .iter()
        .all(|source| has_identity_source(connect, source))
    {
        return Decision::Denied(401);
    }
    let Some(function) = function else {
        return Decision::Denied(500);
    };
    let event = request(connect, arn);
    let answer = function.invoke(Bytes::from(event.to_string())).await;
    match answer {
        Ok(answer) => match serde_json::from_slice(&answer) {
            Ok(answer) => decision(&answer, arn),
            Err(_) => Decision::Denied(500),
        },
        // The error by which an authorizer asks for credentials.
        Err(InvokeError::Function { message, .. }) if message == "Unauthorized" => {
            Decision::Denied(401)
        }
        Err(error) => {
            tracing::error!("the authorizer of $connect failed: {error}");
            Decision::Denied(500)
        }
    }
}

/// The authorizer's event: the event of `$connect`, plus `type` and `methodArn`.
fn request(connect: &Value, arn: &str) -> Value {
    let mut event = connect.clone();
    event["type"] = "REQUEST".into();
    event["methodArn"] = arn.into();
    event
}

/// Whether the request has a non-empty value for an identity source.
fn has_identity_source(connect: &Value, source: &str) -> bool {
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

/// Evaluates the policy in the function's response.
fn decision(answer: &Value, arn: &str) -> Decision {
    let Some(principal) = answer["principalId"].as_str() else {
        return Decision::Denied(500);
    };
    let statements = match &answer["policyDocument"]["Statement"] {
        Value::Array(statements) => statements.as_slice(),
        Value::Null => return Decision::Denied(500),
        statement => std::slice::from_ref(statement),
    };
    let matching = |effect: &str| {
        statements.iter().any(|statement| {
            statement["Effect"] == effect
                && any_matches(&statement["Action"], |action| {
                    wildcard_matches(action, "execute-api:Invoke")
                })
                && any_matches(&statement["Resource"], |resource| {
                    wildcard_matches(resource, arn)
                })
        })
    };
    if matching("Deny") || !matching("Allow") {
        return Decision::Denied(403);
    }
    let mut context = answer["context"].as_object().cloned().unwrap_or_default();
    context.insert("principalId".to_owned(), json!(principal));
    Decision::Allowed(context)
}

fn any_matches(one_or_many: &Value, matches: impl Fn(&str) -> bool) -> bool {
    match one_or_many {
        Value::String(one) => matches(one),
        Value::Array(many) => many.iter().filter_map(Value::as_str).any(matches),
        _ => false,
    }
}

/// Whether an IAM pattern with `*` wildcards matches a text.
fn wildcard_matches(pattern: &str, text: &str) -> bool {
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
    fn allow_policy_returns_the_context() {
        for resource in [ARN, "*", "arn:aws:execute-api:*:websocketapi/*/$connect"] {
            let Decision::Allowed(context) = decision(&answer("Allow", resource), ARN) else {
                panic!("{resource} is denied");
            };
            assert_eq!(context["principalId"], "user");
            assert_eq!(context["tenant"], "a");
        }
    }

    #[test]
    fn policy_that_denies_or_does_not_match_answers_403() {
        for (effect, resource) in [("Deny", "*"), ("Allow", "arn:aws:execute-api:*:other/*")] {
            assert_eq!(
                decision(&answer(effect, resource), ARN),
                Decision::Denied(403)
            );
        }
    }

    #[test]
    fn response_without_a_policy_is_a_failure() {
        for broken in [
            json!({}),
            json!({ "principalId": "user" }),
            json!({ "isAuthorized": true }),
        ] {
            assert_eq!(decision(&broken, ARN), Decision::Denied(500), "{broken}");
        }
    }

    #[test]
    fn identity_sources_match_query_and_headers_in_any_case() {
        let connect = json!({
            "headers": { "X-Token": "t", "Empty": "" },
            "queryStringParameters": { "token": "t" },
        });
        assert!(has_identity_source(
            &connect,
            "route.request.querystring.token"
        ));
        assert!(has_identity_source(
            &connect,
            "route.request.header.x-token"
        ));
        assert!(!has_identity_source(
            &connect,
            "route.request.querystring.other"
        ));
        assert!(!has_identity_source(&connect, "route.request.header.empty"));
        assert!(!has_identity_source(
            &json!({}),
            "route.request.querystring.token"
        ));
    }
}
