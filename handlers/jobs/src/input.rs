//! What a job can be made from.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use contract::{http::HttpErrorCode, limits::MAX_INPUT_BYTES};

use crate::answer::Problem;

/// An input that a job can be made from. A product that replaces the reference pipeline says here
/// what it takes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) bytes: Vec<u8>,
    pub(crate) content_type: &'static str,
}

/// First bytes of the files that the reference pipeline takes.
const TYPES: &[(&[u8], &str)] = &[
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
];

impl Input {
    /// Reads the body of a request, as API Gateway hands it over.
    pub(crate) fn of(body: Option<&str>, is_base64: bool) -> Result<Self, Problem> {
        let body = body.unwrap_or_default();
        let bytes = if is_base64 {
            BASE64_STANDARD.decode(body).map_err(|error| {
                Problem::new(
                    HttpErrorCode::Internal,
                    format!("the body is not base64: {error}"),
                )
            })?
        } else {
            body.as_bytes().to_vec()
        };
        if bytes.is_empty() {
            return Err(Problem::new(
                HttpErrorCode::EmptyBody,
                "the body is empty; send a floor plan as PNG or JPEG, for example with \
                 curl --data-binary @plan.png",
            ));
        }
        if bytes.len() > MAX_INPUT_BYTES {
            return Err(Problem::new(
                HttpErrorCode::BodyTooLarge,
                format!(
                    "the body has {} bytes; send at most {MAX_INPUT_BYTES}, for example as JPEG \
                     or with fewer pixels",
                    bytes.len()
                ),
            )
            .with("max_bytes", MAX_INPUT_BYTES));
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
            content_type,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(body: &[u8]) -> HttpErrorCode {
        Input::of(Some(&BASE64_STANDARD.encode(body)), true)
            .unwrap_err()
            .code
    }

    #[test]
    fn png_and_jpeg_are_told_by_their_first_bytes() {
        let png = BASE64_STANDARD.encode(b"\x89PNG\r\n\x1a\nrest");
        assert_eq!(
            Input::of(Some(&png), true).unwrap().content_type,
            "image/png"
        );
        let jpeg = BASE64_STANDARD.encode(b"\xff\xd8\xff\xe0rest");
        assert_eq!(
            Input::of(Some(&jpeg), true).unwrap().content_type,
            "image/jpeg"
        );
    }

    #[test]
    fn what_is_no_image_empty_or_too_large_has_its_own_code() {
        assert_eq!(problem(b"hello"), HttpErrorCode::UnsupportedMediaType);
        assert_eq!(problem(b""), HttpErrorCode::EmptyBody);
        assert_eq!(
            Input::of(None, false).unwrap_err().code,
            HttpErrorCode::EmptyBody
        );
        assert_eq!(
            problem(&vec![0; MAX_INPUT_BYTES + 1]),
            HttpErrorCode::BodyTooLarge
        );
    }
}
