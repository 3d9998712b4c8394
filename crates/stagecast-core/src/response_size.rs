//! The size of a response as Lambda measures it.

use stagecast_contract::limits::MAX_RESPONSE_STRING_BYTES;

/// The size in bytes of a text as a JSON string with its quotes. The body of a response is such a string
/// in the JSON that a function returns.
pub fn json_string_bytes(text: &str) -> usize {
    let escapes = text.bytes().map(|byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
        ..0x20 => 5,
        _ => 0,
    });
    text.len() + escapes.sum::<usize>() + 2
}

/// Whether a response with `body` is within Lambda's limit.
pub fn fits_into_response(body: &str) -> bool {
    json_string_bytes(body) <= MAX_RESPONSE_STRING_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_is_that_of_the_json_string_that_lambda_gets() {
        for text in [
            "",
            "plain é…😀",
            r#"{"a":"\\ \"b\""}"#,
            "\u{0}\u{8}\t\n\u{b}\u{c}\r\u{1f} \u{7f}\u{2028}",
        ] {
            let string = serde_json::to_string(text).unwrap();
            assert_eq!(json_string_bytes(text), string.len(), "{text:?}");
        }
    }
}
