//! Requests of the HTTP API as API Gateway passes them to a function, and the function's answers.

use std::collections::HashMap;

use aws_lambda_events::{
    apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse},
    encodings::Body,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;
use stagecast_contract::routes::HttpRoute;

/// A request of `route`, without a key and a body.
pub fn request(route: HttpRoute) -> ApiGatewayV2httpRequest {
    let mut request = ApiGatewayV2httpRequest::default();
    request.route_key = Some(route.key());
    request
}

/// A request of `route` for a job, with the key as its bearer token.
pub fn job_request(route: HttpRoute, job_id: &str, key: &str) -> ApiGatewayV2httpRequest {
    let request = with_header(request(route), "authorization", &format!("Bearer {key}"));
    with_job(request, job_id)
}

/// The same request for this job.
#[must_use]
pub fn with_job(mut request: ApiGatewayV2httpRequest, job_id: &str) -> ApiGatewayV2httpRequest {
    let parameters = &mut request.path_parameters;
    parameters.insert("job_id".to_owned(), job_id.to_owned());
    request
}

/// The same request with a header.
///
/// # Panics
///
/// When the value cannot be a header's.
#[must_use]
pub fn with_header(
    mut request: ApiGatewayV2httpRequest,
    name: &'static str,
    value: &str,
) -> ApiGatewayV2httpRequest {
    let value = value.parse().expect("a header's value");
    request.headers.insert(name, value);
    request
}

/// The same request with a query parameter.
#[must_use]
pub fn with_parameter(
    mut request: ApiGatewayV2httpRequest,
    name: &str,
    value: &str,
) -> ApiGatewayV2httpRequest {
    let parameters = HashMap::from([(name.to_owned(), value.to_owned())]);
    request.query_string_parameters = parameters.into();
    request
}

/// The same request with a body, which API Gateway passes as base64.
#[must_use]
pub fn with_body(
    mut request: ApiGatewayV2httpRequest,
    body: impl AsRef<[u8]>,
) -> ApiGatewayV2httpRequest {
    request.body = Some(BASE64_STANDARD.encode(body));
    request.is_base64_encoded = true;
    request
}

/// What a function answers.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: i64,
    /// The body, as the client receives it.
    pub body: Vec<u8>,
    response: ApiGatewayV2httpResponse,
}

impl From<ApiGatewayV2httpResponse> for Answer {
    fn from(response: ApiGatewayV2httpResponse) -> Self {
        let body = match &response.body {
            Some(Body::Text(text)) if response.is_base64_encoded => BASE64_STANDARD
                .decode(text)
                .expect("a body that is marked as base64 is base64"),
            Some(body) => body.to_vec(),
            None => Vec::new(),
        };
        Self {
            status: response.status_code,
            body,
            response,
        }
    }
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// When it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a body that is JSON")
    }

    /// The JSON body of an answer with the status 200.
    ///
    /// # Panics
    ///
    /// When the answer has another status.
    pub fn accepted(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()
    }

    /// The error of an answer that has this status and code.
    ///
    /// # Panics
    ///
    /// When the answer has another status or code.
    pub fn refused(&self, status: i64, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        let error = self.json()["error"].clone();
        assert_eq!(error["code"], code, "{error}");
        error
    }

    /// A header's value; empty if the answer has no such header.
    pub fn header(&self, name: &str) -> &str {
        let value = self.response.headers.get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
