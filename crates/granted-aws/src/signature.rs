//! Signatures of posts, in version 4 of AWS's scheme.
//!
//! The SDK builds and signs every request from nothing. The posts of one message to many connections differ in
//! their path only, so everything else is prepared once: the hash of the message, the key of the day, and the
//! text that is signed, except for the path.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_credential_types::Credentials;
use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use aws_smithy_types::{DateTime, date_time::Format};
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

/// The name of API Gateway's data plane in signatures.
const SERVICE: &str = "execute-api";
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The bytes that AWS percent-encodes in a segment of a path: all but the unreserved ones of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
const RESERVED_IN_PATHS: &AsciiSet = &RESERVED.remove(b'/');

/// A segment of a path, percent-encoded.
pub(crate) fn segment(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, RESERVED)
}

/// A path as signatures contain it: encoded again, also where it is encoded already.
pub(crate) fn canonical_path(path: &str) -> String {
    utf8_percent_encode(path, RESERVED_IN_PATHS).to_string()
}

const SECONDS_OF_A_DAY: u64 = 24 * 60 * 60;

fn epoch_seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The time of a request as signatures contain it, such as `20260115T103015Z`.
fn amz_date(epoch_seconds: u64) -> String {
    let seconds = i64::try_from(epoch_seconds).unwrap_or_default();
    let date = DateTime::from_secs(seconds).fmt(Format::DateTime);
    // A year after 9999 has no such form.
    date.unwrap_or_default().replace(['-', ':'], "")
}

/// The key that signs the requests of one day with one set of credentials.
#[derive(Debug)]
pub(crate) struct SigningKey {
    pub(crate) credentials: Credentials,
    /// The number of the day since 1970.
    day: u64,
    /// The day, region and service that the key is valid for.
    scope: String,
    key: Key,
}

/// A derived key. `Debug` does not print it.
struct Key(Vec<u8>);

impl std::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Key(** redacted **)")
    }
}

impl SigningKey {
    pub(crate) fn new(credentials: Credentials, region: &str, at: SystemTime) -> Self {
        let seconds = epoch_seconds(at);
        let date = amz_date(seconds);
        let day = date.split('T').next().unwrap_or_default();
        let secret = credentials.secret_access_key();
        let key = generate_signing_key(secret, at, region, SERVICE);
        let key = Key(key.as_ref().to_vec());
        Self {
            scope: format!("{day}/{region}/{SERVICE}/aws4_request"),
            credentials,
            day: seconds / SECONDS_OF_A_DAY,
            key,
        }
    }

    /// Whether the key signs requests of this time.
    pub(crate) fn is_of_the_day(&self, at: SystemTime) -> bool {
        epoch_seconds(at) / SECONDS_OF_A_DAY == self.day
    }
}

/// A message and what the signatures of its posts within one second have in common.
#[derive(Debug)]
pub(crate) struct PreparedMessage {
    message: Bytes,
    seconds: u64,
    date: String,
    /// The signed text after the path.
    after_path: String,
    /// The text before the hash of the request.
    before_hash: String,
    /// The header `authorization`, up to the signature.
    authorization: String,
    key: Arc<SigningKey>,
}

impl PreparedMessage {
    pub(crate) fn new(message: Bytes, host: &str, key: Arc<SigningKey>, at: SystemTime) -> Self {
        let seconds = epoch_seconds(at);
        let date = amz_date(seconds);
        let token = key.credentials.session_token();
        let (token_header, token_name) = match token {
            Some(token) => (
                format!("x-amz-security-token:{token}\n"),
                ";x-amz-security-token",
            ),
            None => (String::new(), ""),
        };
        let names = format!("host;x-amz-date{token_name}");
        let hash = hex(&Sha256::digest(&message));
        let scope = &key.scope;
        let access_key_id = key.credentials.access_key_id();
        Self {
            // The line between the path and the headers is the query, which is empty.
            after_path: format!(
                "\n\nhost:{host}\nx-amz-date:{date}\n{token_header}\n{names}\n{hash}"
            ),
            before_hash: format!("{ALGORITHM}\n{date}\n{scope}\n"),
            authorization: format!(
                "{ALGORITHM} Credential={access_key_id}/{scope}, SignedHeaders={names}, Signature="
            ),
            message,
            seconds,
            date,
            key,
        }
    }

    /// Whether this is what [`Self::new`] returns for these arguments. A message is compared by its address, which
    /// no other message has while this one is kept.
    pub(crate) fn is_of(&self, message: &Bytes, key: &Arc<SigningKey>, at: SystemTime) -> bool {
        std::ptr::eq(self.message.as_ref(), message.as_ref())
            && Arc::ptr_eq(&self.key, key)
            && self.seconds == epoch_seconds(at)
    }

    /// The header `authorization` of a post to a path, which is in the form of [`canonical_path`].
    pub(crate) fn authorization(&self, canonical_path: &str) -> String {
        let mut request = Sha256::new();
        for part in ["POST\n", canonical_path, &self.after_path] {
            request.update(part);
        }
        let mut to_sign = self.before_hash.clone();
        to_sign.push_str(&hex(&request.finalize()));
        let signature = calculate_signature(&self.key.key.0, to_sign.as_bytes());
        format!("{}{signature}", self.authorization)
    }

    pub(crate) fn message(&self) -> &Bytes {
        &self.message
    }

    /// The header `x-amz-date`.
    pub(crate) fn date(&self) -> &str {
        &self.date
    }

    /// The header `x-amz-security-token`, with temporary credentials.
    pub(crate) fn session_token(&self) -> Option<&str> {
        self.key.credentials.session_token()
    }
}

/// Lower-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    let digits = bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    digits.collect()
}
