//! What a job can be made from.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use contract::{http::HttpErrorCode, limits::MAX_INPUT_BYTES};
use handlers_core::http::{Problem, body_of};

/// An input that a job can be made from. A product that replaces the reference pipeline says here
/// what it takes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) bytes: Vec<u8>,
    pub(crate) content_type: String,
}

/// First bytes of the files that the reference pipeline takes.
const TYPES: &[(&[u8], &str)] = &[
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
];

/// The media type of what is not said to be anything.
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// Longest media type that is kept, in bytes. It is in the job's item.
const MAX_TYPE_BYTES: usize = 100;

impl Input {
    /// Reads the body of a request for the pipeline.
    pub(crate) fn of(request: &ApiGatewayV2httpRequest) -> Result<Self, Problem> {
        let advice = "for example as JPEG or with fewer pixels";
        let bytes = body_of(request, MAX_INPUT_BYTES, advice)?;
        if bytes.is_empty() {
            return Err(Problem::new(
                HttpErrorCode::EmptyBody,
                "the body is empty; send a floor plan as PNG or JPEG, for example with \
                 curl --data-binary @plan.png",
            ));
        }
        let found = TYPES.iter().find(|(start, _)| bytes.starts_with(start));
        let Some((_, content_type)) = found else {
            return Err(Problem::new(
                HttpErrorCode::UnsupportedMediaType,
                "the body is neither PNG nor JPEG, whatever its content-type says; convert it, \
                 and send the file itself (curl --data-binary, not --data or --form)",
            )
            .with(
                "supported",
                TYPES.iter().map(|(_, name)| *name).collect::<Vec<_>>(),
            ));
        };
        Ok(Self {
            bytes,
            content_type: (*content_type).to_owned(),
        })
    }

    /// Reads the body of a request for a worker of its own, which knows what it takes; nothing, if
    /// it takes what it works on from elsewhere.
    pub(crate) fn any(request: &ApiGatewayV2httpRequest) -> Result<Self, Problem> {
        let advice = "or what tells the worker where the rest is";
        let bytes = body_of(request, MAX_INPUT_BYTES, advice)?;
        let content_type = request.headers.get("content-type");
        let content_type = content_type.and_then(|it| it.to_str().ok());
        let content_type = content_type.map(with_single_spaces);
        let content_type = content_type.filter(|it| !it.is_empty() && it.len() <= MAX_TYPE_BYTES);
        Ok(Self {
            bytes,
            content_type: content_type.unwrap_or_else(|| UNKNOWN_TYPE.to_owned()),
        })
    }
}

/// A header's value with a space in place of each run of spaces and tabs, which means the same. The
/// signature of a call to S3 covers the value, and services differ in how they normalise the rest.
fn with_single_spaces(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(body: &[u8]) -> ApiGatewayV2httpRequest {
        use base64::{Engine as _, prelude::BASE64_STANDARD};

        let mut request = ApiGatewayV2httpRequest::default();
        request.body = Some(BASE64_STANDARD.encode(body));
        request.is_base64_encoded = true;
        request
    }

    fn problem(body: &[u8]) -> HttpErrorCode {
        Input::of(&with(body)).unwrap_err().code()
    }

    #[test]
    fn png_and_jpeg_are_told_by_their_first_bytes() {
        let content_type = |body| Input::of(&with(body)).unwrap().content_type;
        assert_eq!(content_type(b"\x89PNG\r\n\x1a\nrest"), "image/png");
        assert_eq!(content_type(b"\xff\xd8\xff\xe0rest"), "image/jpeg");
    }

    #[test]
    fn what_is_no_image_empty_or_too_large_has_its_own_code() {
        assert_eq!(problem(b"hello"), HttpErrorCode::UnsupportedMediaType);
        assert_eq!(problem(b""), HttpErrorCode::EmptyBody);
        let nothing = ApiGatewayV2httpRequest::default();
        assert_eq!(
            Input::of(&nothing).unwrap_err().code(),
            HttpErrorCode::EmptyBody
        );
        assert_eq!(
            problem(&vec![0; MAX_INPUT_BYTES + 1]),
            HttpErrorCode::BodyTooLarge
        );
    }

    #[test]
    fn a_worker_of_its_own_takes_anything_of_the_type_that_it_is_said_to_have() {
        let mut request = with(b"a,b\n1,2\n");
        assert_eq!(Input::any(&request).unwrap().content_type, UNKNOWN_TYPE);
        let csv = "text/csv".parse().unwrap();
        request.headers.insert("content-type", csv);
        let input = Input::any(&request).unwrap();
        assert_eq!(input.content_type, "text/csv");
        assert_eq!(input.bytes, b"a,b\n1,2\n");
        assert!(Input::any(&with(b"")).unwrap().bytes.is_empty());
    }

    #[test]
    fn tabs_in_a_media_type_become_spaces() {
        for (given, kept) in [
            ("text/plain;\tcharset=utf-8", "text/plain; charset=utf-8"),
            ("text/plain; \t  charset=utf-8", "text/plain; charset=utf-8"),
            ("\t", UNKNOWN_TYPE),
        ] {
            let mut request = with(b"a");
            let value = given.parse().unwrap();
            request.headers.insert("content-type", value);
            assert_eq!(
                Input::any(&request).unwrap().content_type,
                kept,
                "{given:?}"
            );
        }
    }
}
