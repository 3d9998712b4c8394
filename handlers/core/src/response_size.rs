//! The size of a response as Lambda measures it.

use contract::limits::MAX_ANSWER_STRING_BYTES;

/// The bytes of a text as a JSON string, its quotes included: so the body of an answer stands in what a
/// function returns.
pub fn json_string_bytes(text: &str) -> usize {
    let escapes = text.bytes().map(|byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
        ..0x20 => 5,
        _ => 0,
    });
    text.len() + escapes.sum::<usize>() + 2
}

/// Whether Lambda lets a function answer with `body`.
pub fn fits_into_response(body: &str) -> bool {
    json_string_bytes(body) <= MAX_ANSWER_STRING_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_measured_as_the_string_that_lambda_gets() {
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
