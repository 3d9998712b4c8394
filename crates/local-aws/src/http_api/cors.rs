//! CORS headers from the API's `CorsConfiguration`.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::{
    http_util::{self, Response},
    template::Cors,
};

/// The response to a preflight request.
pub(super) fn preflight(cors: &Cors, origin: Option<&HeaderValue>) -> Response {
    let mut response = http_util::empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    if allow(cors, origin, headers) {
        list(
            headers,
            header::ACCESS_CONTROL_ALLOW_METHODS,
            &cors.allow_methods,
        );
        list(
            headers,
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            &cors.allow_headers,
        );
        if let Some(seconds) = cors.max_age {
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(seconds));
        }
    }
    response
}

/// Replaces the function's CORS headers with those for the origin.
pub(super) fn decorate(cors: &Cors, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    for name in [
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
    ] {
        headers.remove(name);
    }
    if allow(cors, origin, headers) {
        list(
            headers,
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            &cors.expose_headers,
        );
    }
}

fn allow(cors: &Cors, origin: Option<&HeaderValue>, headers: &mut HeaderMap) -> bool {
    let Some(origin) = origin else {
        return false;
    };
    let any = cors.allow_origins.iter().any(|allowed| allowed == "*");
    let named = cors
        .allow_origins
        .iter()
        .any(|allowed| allowed.as_bytes() == origin.as_bytes());
    if !any && !named {
        return false;
    }
    let value = if named {
        origin.clone()
    } else {
        HeaderValue::from_static("*")
    };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, value);
    if cors.allow_credentials {
        let value = HeaderValue::from_static("true");
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, value);
    }
    true
}

fn list(headers: &mut HeaderMap, name: HeaderName, values: &[String]) {
    if let Ok(value) = HeaderValue::from_str(&values.join(","))
        && !values.is_empty()
    {
        headers.insert(name, value);
    }
}
