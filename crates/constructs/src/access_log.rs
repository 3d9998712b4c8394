//! The access log of an API: one line of JSON per request, in a separate log group.

use cloudformation::{
    ConstructPath,
    resources::{apigatewayv2::AccessLogSettings, logs::LogGroup},
};
use indexmap::IndexMap;

use crate::{error::SynthError, stack::Stack};

/// The fields of a WebSocket API's log. Query strings are not logged: they may contain keys.
pub(crate) const WEBSOCKET_FIELDS: &[(&str, &str)] = &[
    ("requestId", "$context.requestId"),
    ("requestTime", "$context.requestTime"),
    ("eventType", "$context.eventType"),
    ("routeKey", "$context.routeKey"),
    ("connectionId", "$context.connectionId"),
    ("messageId", "$context.messageId"),
    ("status", "$context.status"),
    ("integrationStatus", "$context.integration.status"),
    ("integrationLatency", "$context.integrationLatency"),
    ("integrationError", "$context.integrationErrorMessage"),
    ("error", "$context.error.message"),
    ("sourceIp", "$context.identity.sourceIp"),
    ("userAgent", "$context.identity.userAgent"),
];

/// The fields of an HTTP API's log.
pub(crate) const HTTP_FIELDS: &[(&str, &str)] = &[
    ("requestId", "$context.requestId"),
    ("requestTime", "$context.requestTime"),
    ("routeKey", "$context.routeKey"),
    ("path", "$context.path"),
    ("protocol", "$context.protocol"),
    ("status", "$context.status"),
    ("responseLength", "$context.responseLength"),
    ("responseLatency", "$context.responseLatency"),
    ("integrationStatus", "$context.integration.status"),
    ("integrationLatency", "$context.integrationLatency"),
    ("integrationError", "$context.integrationErrorMessage"),
    ("authorizerError", "$context.authorizer.error"),
    ("error", "$context.error.message"),
    ("sourceIp", "$context.identity.sourceIp"),
    ("userAgent", "$context.identity.userAgent"),
];

/// Adds the log group of an API and returns the settings for its stage.
pub(crate) fn add(
    stack: &mut Stack,
    api: &ConstructPath,
    fields: &[(&str, &str)],
) -> Result<AccessLogSettings, SynthError> {
    let log_group = LogGroup {
        retention_in_days: stack.settings().log_retention,
        tags: stack.tags().list(),
    };
    let log_group = stack.add_data(&api.child("AccessLog"), log_group)?;
    Ok(AccessLogSettings {
        destination_arn: log_group.arn(),
        format: format(fields)?,
    })
}

fn format(fields: &[(&str, &str)]) -> Result<String, SynthError> {
    let fields: IndexMap<_, _> = fields.iter().copied().collect();
    serde_json::to_string(&fields).map_err(|cause| SynthError::Json {
        what: "an access log",
        cause: cause.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_format_is_json_within_api_gateways_limit() {
        for fields in [WEBSOCKET_FIELDS, HTTP_FIELDS] {
            let format = format(fields).expect("JSON");
            assert!(serde_json::from_str::<serde_json::Value>(&format).is_ok());
            assert!(format.len() < 3 * 1024, "{} bytes", format.len());
            assert!(format.contains("$context.requestId"));
        }
    }
}
