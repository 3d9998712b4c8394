//! Identifiers and keys: their format, their validation, and their redaction in logs.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use typed_contract::names::is_alphanumeric_or;

use crate::timestamp::Timestamp;

/// A string that does not have the format of the expected identifier.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("'{text}' is not {expected}")]
pub struct InvalidId {
    /// The offending string, cut after 64 characters.
    pub text: String,
    /// The expected kind of identifier with an example, as a noun phrase.
    pub expected: &'static str,
}

/// Length limit of an identifier, in bytes.
const MAX_LENGTH: usize = 64;

fn is_id(text: &str, prefix: &str) -> bool {
    text.len() <= MAX_LENGTH
        && text
            .strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && is_alphanumeric_or(rest, b"_"))
}

fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(MAX_LENGTH).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| {
            [
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 15)],
            ]
        })
        .map(char::from)
        .collect()
}

macro_rules! id {
    ($(#[$documentation:meta])* $name:ident, $prefix:literal, $expected:literal) => {
        $(#[$documentation])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                if is_id(text, $prefix) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidId { text: shorten(text), expected: $expected })
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    };
}

id! {
    /// Identifies a job: `job_{yyyymmdd}_{random}`, the date of its creation in UTC and 64 random
    /// bits.
    JobId, "job_", "a job id like job_20240115_0123456789abcdef"
}

id! {
    /// Identifies a request to the HTTP API or of a WebSocket client: `req_{epoch
    /// seconds}_{random}`.
    RequestId, "req_", "a request id like req_1705314615_0123456789abcdef"
}

id! {
    /// Correlates the messages and log lines of a connection: `conn_{epoch seconds}_{random}`. The
    /// key of the tables remains API Gateway's own connection id.
    CorrelationId, "conn_", "a correlation id like conn_1705314615_0123456789abcdef"
}

impl From<&JobId> for Arc<str> {
    fn from(id: &JobId) -> Self {
        id.as_str().into()
    }
}

impl JobId {
    /// Builds the id of a job that is created at `now`.
    pub fn new(now: Timestamp, random: [u8; 8]) -> Self {
        Self(format!("job_{}_{}", now.compact_date(), hex(&random)))
    }
}

impl RequestId {
    /// Builds the id of a request that arrived at `now`.
    pub fn new(now: Timestamp, random: [u8; 8]) -> Self {
        Self(format!("req_{}_{}", now.epoch_seconds(), hex(&random)))
    }
}

impl CorrelationId {
    /// Builds the id of a connection that was opened at `now`.
    pub fn new(now: Timestamp, random: [u8; 8]) -> Self {
        Self(format!("conn_{}_{}", now.epoch_seconds(), hex(&random)))
    }
}

macro_rules! key {
    ($(#[$documentation:meta])* $name:ident) => {
        $(#[$documentation])*
        #[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Encodes 128 random bits.
            pub fn new(random: [u8; 16]) -> Self {
                Self(hex(&random))
            }

            /// Wraps a key that a client sent, without a check of its format: a malformed key gets
            /// the same error as a wrong one.
            pub fn from_client(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The secret itself. Use it only to hash the key and to return it to the creator of
            /// the job.
            pub fn reveal(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(concat!(stringify!($name), "(***)"))
            }
        }
    };
}

key! {
    /// Authorizes its holder to watch and cancel one job: 128 random bits as 32 hexadecimal digits.
    /// Never logged; stored only as its SHA-256.
    AccessKey
}

key! {
    /// Authorizes an external worker to run one job. Same format and secrecy as an [`AccessKey`],
    /// but separate from it: access keys can watch and cancel, worker keys can run the job.
    WorkerKey
}

/// Authorizes a worker to claim jobs from queues, and to listen to them: `stw_{id}_{secret}`, 64 random bits that
/// identify the token and 128 that are secret, as hexadecimal digits. Never logged; stored only as its SHA-256.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct WorkerToken(String);

impl WorkerToken {
    const PREFIX: &str = "stw_";

    /// A token of these random bits.
    pub fn new(id: [u8; 8], secret: [u8; 16]) -> Self {
        Self(format!("{}{}_{}", Self::PREFIX, hex(&id), hex(&secret)))
    }

    /// Wraps a token that a client sent, without a check of its format: a malformed token gets the same error as
    /// a wrong one.
    pub fn from_client(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The part that identifies the token and is not secret; none if the token is malformed.
    pub fn id(&self) -> Option<&str> {
        let (id, secret) = self.0.strip_prefix(Self::PREFIX)?.split_once('_')?;
        let is_hex = |text: &str, length| {
            let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            text.len() == length && text.bytes().all(is_digit)
        };
        (is_hex(id, 16) && is_hex(secret, 32)).then_some(id)
    }

    /// The whole token. Use it only to hash it, and to show it to the operator once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for WorkerToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WorkerToken(***)")
    }
}

/// An owner token as a client sends it: a JSON Web Token. Never logged, and not stored.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct OwnerToken(String);

impl OwnerToken {
    /// The whole token. Use it only to verify it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OwnerToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OwnerToken(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_epoch_seconds(1_705_314_615);

    #[test]
    fn new_ids_have_the_format_of_the_protocol() {
        assert_eq!(
            JobId::new(NOW, [0xab; 8]).as_str(),
            "job_20240115_abababababababab"
        );
        assert_eq!(
            RequestId::new(NOW, [1; 8]).as_str(),
            "req_1705314615_0101010101010101"
        );
        assert_eq!(
            CorrelationId::new(NOW, [1; 8]).as_str(),
            "conn_1705314615_0101010101010101"
        );
    }

    #[test]
    fn parse_error_names_the_id_and_the_expected_kind() {
        let error = "req_1_a".parse::<JobId>().expect_err("not a job");
        assert_eq!(
            error.to_string(),
            "'req_1_a' is not a job id like job_20240115_0123456789abcdef"
        );
        assert!("job_".parse::<JobId>().is_err());
        assert!("job_a b".parse::<JobId>().is_err());
        assert!(format!("job_{}", "a".repeat(100)).parse::<JobId>().is_err());
    }

    #[test]
    fn keys_are_redacted_in_debug_output() {
        let key = AccessKey::new([0x5a; 16]);
        assert_eq!(key.reveal().len(), 32);
        assert_eq!(format!("{key:?}"), "AccessKey(***)");
        let key = WorkerKey::new([0x5a; 16]);
        assert_eq!(format!("{key:?}"), "WorkerKey(***)");
    }

    #[test]
    fn worker_token_contains_its_id_and_is_redacted() {
        let token = WorkerToken::new([0xab; 8], [0x5a; 16]);
        assert_eq!(token.id(), Some("abababababababab"));
        assert_eq!(token.reveal().len(), 53);
        assert_eq!(format!("{token:?}"), "WorkerToken(***)");
    }

    #[test]
    fn malformed_worker_token_has_no_id() {
        let valid = WorkerToken::new([1; 8], [2; 16]);
        let valid = valid.reveal();
        for text in [
            "",
            "stw_",
            "stw__",
            &valid[1..],
            &valid[..52],
            &valid.to_uppercase(),
            &format!("{valid}0"),
            &valid.replace("_0202", "_#202"),
        ] {
            assert_eq!(WorkerToken::from_client(text).id(), None, "{text}");
        }
    }
}
