//! The parts of a request.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use stagecast_contract::{http::HttpErrorCode, ids::JobId};

use super::ApiError;

/// The job id in the path.
pub fn job_id_of(request: &ApiGatewayV2httpRequest) -> Result<JobId, ApiError> {
    let text = request.path_parameters.get("job_id");
    text.map(String::as_str)
        .unwrap_or_default()
        .parse()
        .map_err(|error| ApiError::new(HttpErrorCode::InvalidJobId, format!("{error}")))
}

/// The key in the header `Authorization: Bearer {key}`, if there is one.
pub fn bearer_token(request: &ApiGatewayV2httpRequest) -> Option<&str> {
    let header = request.headers.get("authorization")?.to_str().ok()?;
    let (scheme, key) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// The body, which API Gateway passes as text or base64. `advice` ends the error message about a body with
/// more than `max_bytes`.
pub fn read_body(
    request: &ApiGatewayV2httpRequest,
    max_bytes: usize,
    advice: &str,
) -> Result<Vec<u8>, ApiError> {
    let body = request.body.as_deref().unwrap_or_default();
    let bytes = if request.is_base64_encoded {
        BASE64_STANDARD
            .decode(body)
            .map_err(|error| ApiError::internal(format!("the body is not base64: {error}")))?
    } else {
        body.as_bytes().to_vec()
    };
    if bytes.len() > max_bytes {
        let error = ApiError::new(
            HttpErrorCode::BodyTooLarge,
            format!(
                "the body has {} bytes; send at most {max_bytes}, {advice}",
                bytes.len()
            ),
        );
        return Err(error.with("max_bytes", max_bytes));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(header: &str) -> ApiGatewayV2httpRequest {
        let mut request = ApiGatewayV2httpRequest::default();
        request
            .headers
            .insert("authorization", header.parse().unwrap());
        request
    }

    #[test]
    fn bearer_token_ignores_the_case_of_the_scheme() {
        assert_eq!(bearer_token(&with("Bearer abc")), Some("abc"));
        assert_eq!(bearer_token(&with("bearer  abc ")), Some("abc"));
        assert_eq!(bearer_token(&with("Basic abc")), None);
        assert_eq!(bearer_token(&with("abc")), None);
        assert_eq!(bearer_token(&ApiGatewayV2httpRequest::default()), None);
    }

    #[test]
    fn body_is_text_or_base64_within_its_limit() {
        let mut request = ApiGatewayV2httpRequest::default();
        assert_eq!(read_body(&request, 3, "").unwrap(), b"");
        request.body = Some("abc".to_owned());
        assert_eq!(read_body(&request, 3, "").unwrap(), b"abc");
        let error = read_body(&request, 2, "in parts").unwrap_err();
        assert_eq!(error.code(), HttpErrorCode::BodyTooLarge);
        request.body = Some("YWJj".to_owned());
        request.is_base64_encoded = true;
        assert_eq!(read_body(&request, 3, "").unwrap(), b"abc");
    }
}
