//! Random identifiers in the formats of AWS.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::URL_SAFE};

/// Bytes of a connection id before encoding: 11 bytes make 16 characters that end in `=`.
const CONNECTION_ID_BYTES: usize = 11;

/// A connection id in API Gateway's format, `BFHPhfCWIAMCKlQ=`.
pub(crate) fn connection_id() -> String {
    URL_SAFE.encode(random::<CONNECTION_ID_BYTES>())
}

/// Whether the text has the format of a connection id.
pub(crate) fn is_connection_id(text: &str) -> bool {
    URL_SAFE
        .decode(text)
        .is_ok_and(|bytes| bytes.len() == CONNECTION_ID_BYTES)
}

/// The id of a request or message in API Gateway's format, `JKJaXmPLvHcESHA=`.
pub(crate) fn gateway_request_id() -> String {
    URL_SAFE.encode(random::<CONNECTION_ID_BYTES>())
}

/// A version 4 UUID, the format of Lambda's and SQS's ids.
pub(crate) fn uuid() -> String {
    let mut bytes = random::<16>();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hexadecimal(&bytes);
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// 128 random bits in hexadecimal.
pub(crate) fn token() -> String {
    hexadecimal(&random::<16>())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the stack's only source of randomness"
)]
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system provides random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_ids_have_the_format_of_api_gateway() {
        let id = connection_id();
        assert_eq!(id.len(), "BFHPhfCWIAMCKlQ=".len());
        assert!(id.ends_with('='));
        assert!(is_connection_id(&id));
        assert!(is_connection_id("BFHPhfCWIAMCKlQ="));
        assert!(!is_connection_id("not-a-connection"));
        assert!(!is_connection_id(""));
    }
}
