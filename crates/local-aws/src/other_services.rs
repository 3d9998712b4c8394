//! The response to calls of services that the stack does not have.

use http::{HeaderName, HeaderValue, Request, StatusCode, header};
use serde_json::json;

use crate::http_util::{self, Response, header_text, signed_service};

/// The services that this crate has, by the names that requests are signed for.
const KNOWN: [&str; 6] = [
    "dynamodb",
    "execute-api",
    "s3",
    "secretsmanager",
    "sqs",
    "ssm",
];

/// Whether this crate does not have the service with this name.
pub(crate) fn is_other(service: &str) -> bool {
    !KNOWN.contains(&service)
}

/// The response to a request that is signed for a service other than S3; `None` for any other request.
/// Requests with `X-Amz-Target` are not passed here.
pub(crate) fn refusal<B>(request: &Request<B>) -> Option<Response> {
    let service = signed_service(request).filter(|service| service != "s3")?;
    let variable = service.to_ascii_uppercase().replace(['-', ' '], "_");
    let message = format!(
        "the local stack does not serve {service}: start it with AWS_ENDPOINT_URL_{variable} set to the \
         address of a service that does, or let the function skip the call"
    );
    let code = "UnknownOperationException";
    let media_type = header_text(request.headers(), header::CONTENT_TYPE);
    if media_type.starts_with("application/x-www-form-urlencoded") {
        let body = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
             </ErrorResponse>"
        );
        let mut response = Response::new(http_util::full(body));
        *response.status_mut() = StatusCode::BAD_REQUEST;
        let xml = HeaderValue::from_static("text/xml");
        response.headers_mut().insert(header::CONTENT_TYPE, xml);
        return Some(response);
    }
    let mut response = http_util::json(StatusCode::BAD_REQUEST, &json!({ "message": message }));
    let name = HeaderName::from_static("x-amzn-errortype");
    response
        .headers_mut()
        .insert(name, HeaderValue::from_static(code));
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed_for(service: &str) -> Request<()> {
        let scope =
            format!("AWS4-HMAC-SHA256 Credential=orders/20261129/us-east-1/{service}/aws4_request");
        Request::builder()
            .header(header::AUTHORIZATION, scope)
            .body(())
            .expect("a request")
    }

    #[test]
    fn only_calls_of_other_services_are_refused() {
        assert!(refusal(&signed_for("s3")).is_none());
        assert!(refusal(&Request::new(())).is_none());
        let response = refusal(&signed_for("sns")).expect("a refusal");
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    }
}
