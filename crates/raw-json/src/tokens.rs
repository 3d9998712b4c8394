//! Scans JSON text without parsing it.

/// The bytes of JSON text, each with whether it is part of a string.
fn bytes(text: &str) -> impl Iterator<Item = (u8, bool)> {
    let (mut in_string, mut escaped) = (false, false);
    text.bytes().map(move |byte| {
        let was_in_string = in_string;
        if escaped {
            escaped = false;
        } else if byte == b'"' {
            in_string = !in_string;
        } else {
            escaped = in_string && byte == b'\\';
        }
        (byte, was_in_string)
    })
}

/// The bytes that are not part of a string: brackets, separators, numbers, literals, whitespace.
pub(crate) fn outside_strings(text: &str) -> impl Iterator<Item = u8> {
    bytes(text).filter_map(|(byte, in_string)| (!in_string).then_some(byte))
}

/// The bytes without the whitespace between tokens.
pub(crate) fn significant(text: &str) -> impl Iterator<Item = u8> {
    bytes(text).filter_map(|(byte, in_string)| {
        let is_space = matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        (in_string || !is_space).then_some(byte)
    })
}
