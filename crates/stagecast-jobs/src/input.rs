//! The input of a job, validated by the rules of [`stagecast_contract::input`].

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use stagecast_contract::{
    http::HttpErrorCode,
    input::InputRules,
    limits::{MAX_CONTENT_TYPE_BYTES, MAX_INPUT_BYTES},
};
use stagecast_core::http::{ApiError, read_body};

/// A valid input of a job.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) bytes: Vec<u8>,
    pub(crate) content_type: String,
}

/// The media type of an input without a `content-type`.
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// The advice about a body that is too large for a request.
const UPLOAD_ADVICE: &str = "or upload a larger input: announce its size in a job description, with the content-type \
     application/vnd.stagecast.job+json";

/// The hint of errors about the content of the body.
const CURL_HINT: &str = "curl sends a file as it is with --data-binary @FILE, not with --data or \
                         --form";

impl Input {
    /// Reads the body of a request for the pipeline.
    pub(crate) fn for_pipeline(
        request: &ApiGatewayV2httpRequest,
        rules: &InputRules,
    ) -> Result<Self, ApiError> {
        let (a_name, labels) = (rules.name_with_article(), rules.labels());
        let advice = if rules.max_bytes > rules.max_body_bytes() {
            format!("{a_name} as {labels}, {UPLOAD_ADVICE}")
        } else {
            format!("{a_name} as {labels}")
        };
        let bytes = read_body(request, rules.max_body_bytes(), &advice)?;
        Self::checked(bytes, content_type(request).as_deref(), rules)
    }

    /// An input of the pipeline, with its media type by the rules.
    pub(crate) fn checked(
        bytes: Vec<u8>,
        content_type: Option<&str>,
        rules: &InputRules,
    ) -> Result<Self, ApiError> {
        if bytes.is_empty() {
            let (a_name, labels) = (rules.name_with_article(), rules.labels());
            let message = format!("the body is empty; send {a_name} as {labels}");
            let error = ApiError::new(HttpErrorCode::EmptyBody, message);
            return Err(error.with("hint", CURL_HINT));
        }
        let Some(media_type) = rules.media_type(&bytes, content_type) else {
            return Err(unsupported(rules, content_type));
        };
        (rules.check)(media_type, &bytes)
            .map_err(|reason| ApiError::new(HttpErrorCode::InvalidInput, reason))?;
        Ok(Self {
            bytes,
            content_type: media_type.name.to_owned(),
        })
    }

    /// Reads the body of a request for an external worker. Only the worker knows what it accepts; the
    /// body may be empty.
    pub(crate) fn for_external_worker(request: &ApiGatewayV2httpRequest) -> Result<Self, ApiError> {
        let bytes = read_body(request, MAX_INPUT_BYTES, UPLOAD_ADVICE)?;
        Ok(Self {
            bytes,
            content_type: content_type(request).unwrap_or_else(|| UNKNOWN_TYPE.to_owned()),
        })
    }

    /// The empty input of a job for an external worker.
    pub(crate) fn nothing() -> Self {
        Self {
            bytes: Vec::new(),
            content_type: UNKNOWN_TYPE.to_owned(),
        }
    }
}

/// Whether the request's `content-type` is this media type, whatever its parameters.
pub(crate) fn is_of_type(request: &ApiGatewayV2httpRequest, media_type: &str) -> bool {
    let content_type = content_type(request).unwrap_or_default();
    let name = content_type.split(';').next().unwrap_or_default().trim();
    name.eq_ignore_ascii_case(media_type)
}

/// Replaces each run of spaces and tabs in a header's value by one space, which does not change its
/// meaning. The signature of a call to S3 covers the value, and services normalise other whitespace
/// differently.
fn with_single_spaces(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

fn content_type(request: &ApiGatewayV2httpRequest) -> Option<String> {
    let content_type = request.headers.get("content-type")?.to_str().ok()?;
    let content_type = with_single_spaces(content_type);
    (!content_type.is_empty() && content_type.len() <= MAX_CONTENT_TYPE_BYTES)
        .then_some(content_type)
}

/// The error for a body that has none of the accepted types.
pub(crate) fn unsupported(rules: &InputRules, content_type: Option<&str>) -> ApiError {
    let (a_name, labels) = (rules.name_with_article(), rules.labels());
    let is_recognised_by_content = rules.media_types.iter().all(|it| !it.signature.is_empty());
    let message = if is_recognised_by_content {
        format!(
            "the body is not {labels}, whatever its content-type says; send {a_name} as {labels}, \
             the file itself"
        )
    } else {
        let given = content_type.unwrap_or("none");
        let names: Vec<_> = rules.media_types.iter().map(|it| it.name).collect();
        format!(
            "the content-type is {given}, and the body is not {labels}; send {a_name} as {labels}, \
             with its content-type ({})",
            names.join(", ")
        )
    };
    let supported: Vec<_> = rules.media_types.iter().map(|it| it.name).collect();
    ApiError::new(HttpErrorCode::UnsupportedMediaType, message)
        .with("supported", supported)
        .with("hint", CURL_HINT)
}

#[cfg(test)]
mod tests {
    use stagecast_contract::input::{MediaType, any_parameters, no_check};
    use stagecast_core::error::ClientError;

    use super::*;

    const PICTURES: InputRules = InputRules {
        name: "picture",
        media_types: &[
            MediaType {
                name: "image/gif",
                label: "GIF",
                extensions: &[".gif"],
                signature: b"GIF89a",
            },
            MediaType {
                name: "image/webp",
                label: "WebP",
                extensions: &[".webp"],
                signature: b"RIFF",
            },
        ],
        max_bytes: 100,
        check: no_check,
        check_parameters: any_parameters,
        example: "",
    };

    const TABLES: InputRules = InputRules {
        name: "table",
        media_types: &[MediaType {
            name: "text/csv",
            label: "CSV",
            extensions: &[".csv"],
            signature: b"",
        }],
        max_bytes: 100,
        check: has_columns,
        check_parameters: any_parameters,
        example: "",
    };

    fn has_columns(_: &'static MediaType, bytes: &[u8]) -> Result<(), String> {
        if bytes.contains(&b',') {
            return Ok(());
        }
        Err("the table has one column; separate columns by commas".to_owned())
    }

    fn request(body: &[u8], content_type: Option<&str>) -> ApiGatewayV2httpRequest {
        use base64::{Engine as _, prelude::BASE64_STANDARD};

        let mut request = ApiGatewayV2httpRequest::default();
        request.body = Some(BASE64_STANDARD.encode(body));
        request.is_base64_encoded = true;
        if let Some(content_type) = content_type {
            let content_type = content_type.parse().unwrap();
            request.headers.insert("content-type", content_type);
        }
        request
    }

    fn rejection(
        rules: &InputRules,
        body: &[u8],
        content_type: Option<&str>,
    ) -> ClientError<HttpErrorCode> {
        client_error(Input::for_pipeline(&request(body, content_type), rules))
    }

    fn client_error(input: Result<Input, ApiError>) -> ClientError<HttpErrorCode> {
        input.unwrap_err().into_client_error("req_1")
    }

    #[test]
    fn signature_decides_the_media_type_and_content_type_does_not() {
        let of = |content_type| {
            let request = request(b"GIF89a...", content_type);
            Input::for_pipeline(&request, &PICTURES)
                .unwrap()
                .content_type
        };
        assert_eq!(of(None), "image/gif");
        assert_eq!(of(Some("text/plain")), "image/gif");
    }

    #[test]
    fn content_type_decides_the_media_type_without_a_signature() {
        let request = request(b"a,b\n", Some("text/csv; charset=utf-8"));
        let input = Input::for_pipeline(&request, &TABLES).unwrap();
        assert_eq!(input.content_type, "text/csv");
        let plain = rejection(&TABLES, b"a,b\n", Some("text/plain"));
        assert_eq!(plain.code, HttpErrorCode::UnsupportedMediaType);
        for word in ["text/plain", "a table", "CSV", "text/csv"] {
            assert!(plain.message.contains(word), "{plain:?}");
        }
    }

    #[test]
    fn failed_check_rejects_the_input_with_its_message() {
        let rejected = rejection(&TABLES, b"a;b\n", Some("text/csv"));
        assert_eq!(rejected.code, HttpErrorCode::InvalidInput);
        assert!(rejected.message.contains("separate columns by commas"));
    }

    #[test]
    fn errors_name_the_accepted_types() {
        let unsupported = rejection(&PICTURES, b"hello", Some("image/gif"));
        assert_eq!(unsupported.code, HttpErrorCode::UnsupportedMediaType);
        let empty = rejection(&PICTURES, b"", None);
        assert_eq!(empty.code, HttpErrorCode::EmptyBody);
        let large = rejection(&PICTURES, &[0; 101], None);
        assert_eq!(large.code, HttpErrorCode::BodyTooLarge);
        for error in [unsupported, empty, large] {
            assert!(
                error.message.contains("a picture as GIF or WebP"),
                "{error:?}"
            );
        }
        let nothing = ApiGatewayV2httpRequest::default();
        let nothing = client_error(Input::for_pipeline(&nothing, &PICTURES));
        assert_eq!(nothing.code, HttpErrorCode::EmptyBody);
    }

    #[test]
    fn external_worker_accepts_any_body_with_its_content_type() {
        let input = Input::for_external_worker(&request(b"a,b\n1,2\n", None)).unwrap();
        assert_eq!(input.content_type, UNKNOWN_TYPE);
        let input = Input::for_external_worker(&request(b"a,b\n1,2\n", Some("text/csv"))).unwrap();
        assert_eq!(input.content_type, "text/csv");
        assert_eq!(input.bytes, b"a,b\n1,2\n");
        assert!(
            Input::for_external_worker(&request(b"", None))
                .unwrap()
                .bytes
                .is_empty()
        );
    }

    #[test]
    fn tabs_in_a_media_type_become_spaces() {
        for (given, kept) in [
            ("text/plain;\tcharset=utf-8", "text/plain; charset=utf-8"),
            ("text/plain; \t  charset=utf-8", "text/plain; charset=utf-8"),
            ("\t", UNKNOWN_TYPE),
        ] {
            let input = Input::for_external_worker(&request(b"a", Some(given))).unwrap();
            assert_eq!(input.content_type, kept, "{given:?}");
        }
    }
}
