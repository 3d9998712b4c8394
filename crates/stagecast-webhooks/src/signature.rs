//! Signatures of [Standard Webhooks](https://www.standardwebhooks.com): HMAC-SHA256 of id, time and body.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ring::hmac;
use stagecast_contract::timestamp::Timestamp;

/// The prefix of a key as text.
const PREFIX: &str = "whsec_";

/// The length of a key in bytes, as the specification has it.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Maximum number of keys: the newest one, and those that receivers still use during a rotation.
const MAX_KEYS: usize = 4;

/// The keys that sign every webhook.
///
/// ```
/// use stagecast_contract::timestamp::Timestamp;
/// use stagecast_webhooks::signature::SigningKeys;
///
/// let keys = SigningKeys::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?;
/// let sent_at = Timestamp::from_epoch_seconds(1_614_265_330);
/// let signature = keys.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", sent_at, br#"{"test": 2432232314}"#);
/// assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
/// # Ok::<(), stagecast_webhooks::signature::InvalidKeys>(())
/// ```
pub struct SigningKeys(Vec<hmac::Key>);

/// Why a secret has no keys. The error does not contain the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeys {
    /// It has none, or too many.
    #[error(
        "the secret has {0} keys; store 1 to {MAX_KEYS} with spaces between them, the newest first"
    )]
    Number(usize),
    /// A key has another form.
    #[error(
        "key {0} of the secret is not `whsec_` and Base64; make one with `echo whsec_$(openssl rand -base64 32)`"
    )]
    Malformed(usize),
    /// A key is too short or too long.
    #[error("key {number} of the secret has {bytes} bytes; use one of 24 to 64 random bytes")]
    Length {
        /// The position of the key, from 1.
        number: usize,
        /// Its length.
        bytes: usize,
    },
}

impl SigningKeys {
    /// Reads the value of the secret: keys of the form `whsec_…`, with white space between them.
    pub fn parse(secret: &str) -> Result<Self, InvalidKeys> {
        let keys = secret.split_ascii_whitespace().zip(1..);
        let keys = keys.map(|(text, number)| {
            let encoded = text
                .strip_prefix(PREFIX)
                .ok_or(InvalidKeys::Malformed(number))?;
            let key = BASE64_STANDARD
                .decode(encoded)
                .map_err(|_| InvalidKeys::Malformed(number))?;
            if !KEY_BYTES.contains(&key.len()) {
                let bytes = key.len();
                return Err(InvalidKeys::Length { number, bytes });
            }
            Ok(hmac::Key::new(hmac::HMAC_SHA256, &key))
        });
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() || keys.len() > MAX_KEYS {
            return Err(InvalidKeys::Number(keys.len()));
        }
        Ok(Self(keys))
    }

    /// The value of the header `webhook-signature`: the signature of each key, with spaces between them.
    pub fn sign(&self, id: &str, sent_at: Timestamp, body: &[u8]) -> String {
        let head = format!("{id}.{}.", sent_at.epoch_seconds());
        let signatures = self.0.iter().map(|key| {
            let mut context = hmac::Context::with_key(key);
            context.update(head.as_bytes());
            context.update(body);
            format!("v1,{}", BASE64_STANDARD.encode(context.sign()))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }
}

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "SigningKeys({} keys)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const OTHER: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn sign(secret: &str, body: &[u8]) -> String {
        let sent_at = Timestamp::from_epoch_seconds(1_614_265_330);
        let keys = SigningKeys::parse(secret).expect(secret);
        keys.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", sent_at, body)
    }

    #[test]
    fn signature_is_that_of_the_published_vector() {
        let published = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(sign(KEY, br#"{"test": 2432232314}"#), published);
        assert_ne!(sign(KEY, br#"{"test": 2432232315}"#), published);
    }

    #[test]
    fn every_key_of_a_rotation_signs() {
        let both = sign(&format!("{OTHER}\n {KEY}\n"), b"{}");
        assert_eq!(both, format!("{} {}", sign(OTHER, b"{}"), sign(KEY, b"{}")));
    }

    #[test]
    fn secret_without_valid_keys_is_an_error_that_does_not_contain_it() {
        let length = |bytes| InvalidKeys::Length { number: 1, bytes };
        for (secret, expected) in [
            (String::new(), InvalidKeys::Number(0)),
            ([KEY; 5].join(" "), InvalidKeys::Number(5)),
            (KEY.replace("whsec_", ""), InvalidKeys::Malformed(1)),
            (
                format!("{KEY} whsec_MfKQ9r8GKYq"),
                InvalidKeys::Malformed(2),
            ),
            ("whsec_MfKQ9r8GKYo=".to_owned(), length(8)),
            (format!("whsec_{}", "A".repeat(88)), length(66)),
        ] {
            let secret = secret.as_str();
            let error = SigningKeys::parse(secret).expect_err(secret);
            assert_eq!(error, expected);
            assert!(!error.to_string().contains("MfKQ"), "{error}");
        }
        let debug = format!("{:?}", SigningKeys::parse(KEY).expect("a key"));
        assert_eq!(debug, "SigningKeys(1 keys)");
    }
}
