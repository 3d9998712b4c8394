//! Identifiers: what they look like, how they are checked, how they are kept out of logs.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::timestamp::Timestamp;

/// A text that is not the identifier it should be.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("'{text}' is not {expected}")]
pub struct InvalidId {
    /// What was given, shortened.
    pub text: String,
    /// What it should have been.
    pub expected: &'static str,
}

/// Longest identifier, in bytes.
const MAX_LENGTH: usize = 64;

fn is_id(text: &str, prefix: &str) -> bool {
    text.len() <= MAX_LENGTH
        && text.strip_prefix(prefix).is_some_and(|rest| {
            !rest.is_empty()
                && rest
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
}

fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(MAX_LENGTH).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// Lower-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
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
    /// A job: `job_{yyyymmdd}_{random}`.
    JobId, "job_", "a job id like job_20240115_0123456789abcdef"
}

id! {
    /// A request to the HTTP API or from a client: `req_{timestamp}_{random}`.
    RequestId, "req_", "a request id like req_1705314615_0123456789abcdef"
}

id! {
    /// A connection, for correlation: `conn_{timestamp}_{random}`. API Gateway's own connection id
    /// stays the key of the tables.
    CorrelationId, "conn_", "a correlation id like conn_1705314615_0123456789abcdef"
}

impl JobId {
    /// The id of a job made now, from 64 random bits.
    pub fn new(now: Timestamp, random: [u8; 8]) -> Self {
        Self(format!("job_{}_{}", now.compact_date(), hex(&random)))
    }
}

impl RequestId {
    /// The id of a request that arrived now, from 64 random bits.
    pub fn new(now: Timestamp, random: [u8; 8]) -> Self {
        Self(format!("req_{}_{}", now.epoch_seconds(), hex(&random)))
    }
}

impl CorrelationId {
    /// The id of a connection opened now, from 64 random bits.
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
            /// A key from 128 random bits.
            pub fn new(random: [u8; 16]) -> Self {
                Self(hex(&random))
            }

            /// The key as a client sent it. Any text will do: a wrong key and a malformed one are
            /// answered alike.
            pub fn from_client(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The key itself, to hash it or to show it to the one who made the job.
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
    /// What opens a job to whoever holds it: 128 random bits as 32 hexadecimal digits. Never logged;
    /// stored only as its SHA-256.
    AccessKey
}

key! {
    /// What lets a worker of its own run a job: as long and as secret as an [`AccessKey`], but not
    /// one. Who watches cannot write, and who writes need not be able to watch.
    WorkerKey
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_epoch_seconds(1_705_314_615);

    #[test]
    fn ids_have_the_form_of_the_protocol() {
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
    fn an_id_of_another_kind_is_named_in_the_error() {
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
    fn a_key_does_not_show_in_debug_output() {
        let key = AccessKey::new([0x5a; 16]);
        assert_eq!(key.reveal().len(), 32);
        assert_eq!(format!("{key:?}"), "AccessKey(***)");
        let key = WorkerKey::new([0x5a; 16]);
        assert_eq!(format!("{key:?}"), "WorkerKey(***)");
    }
}
