//! Numbers in query parameters.

use std::str::FromStr;

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use stagecast_contract::http::HttpErrorCode;
use stagecast_core::http::ApiError;

/// The number in the query parameter `name`; none if it is omitted. `next_step` ends the sentence of the error
/// for another value.
pub(crate) fn number<N: FromStr>(
    request: &ApiGatewayV2httpRequest,
    name: &'static str,
    next_step: &str,
) -> Result<Option<N>, ApiError> {
    let Some(text) = request.query_string_parameters.first(name) else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|_| {
        let text: String = text.chars().take(64).collect();
        let message = format!("`{name}` is '{text}'; {next_step}");
        ApiError::new(HttpErrorCode::InvalidParameter, message)
            .with("parameter", name)
            .with("value", text)
    })
}
