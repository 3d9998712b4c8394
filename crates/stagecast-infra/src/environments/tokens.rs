//! Owner tokens, and who can create jobs.

use serde_json::Value;
use stagecast_contract::owner_tokens::{MAX_SETTING_BYTES, TokenIssuer, TokenRules};
use token_verifier::{KeySet, KeySetError, UnusableKey};

/// The members of a key that verify tokens. The other ones, such as certificates, only take up space.
const MEMBERS: [&str; 9] = ["kty", "kid", "use", "alg", "crv", "x", "y", "n", "e"];

/// Who can create jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobCreation {
    /// Anyone who knows the URL. A request with a token must have a valid one.
    Anyone,
    /// Requests with a valid owner token, or those that the `job_authorizer` lets through if the environment has no
    /// `tokens`.
    TokenHolders,
}

/// The public keys of owner tokens, and for whom the tokens are.
///
/// ```
/// use stagecast_infra::environments::OwnerTokens;
///
/// let keys = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"2026-11",
///     "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
/// assert!(OwnerTokens::new("stagecast", keys).is_ok());
/// assert!(OwnerTokens::new("", keys).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerTokens {
    issuer: TokenIssuer,
}

/// Why owner tokens cannot be verified.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTokens {
    /// The audience is empty.
    #[error(
        "tokens need an audience, such as `stagecast`: without one, tokens for other services would be valid"
    )]
    NoAudience,
    /// The issuer is empty.
    #[error("the issuer of tokens is empty; give the `iss` of the tokens, or none")]
    EmptyIssuer,
    /// The document of keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeySetError),
    /// A key of the document cannot be used.
    #[error("key {index} of the key set cannot be used: {reason}")]
    UnusableKey {
        /// The position of the key in the document, from 0.
        index: usize,
        /// Why it cannot be used.
        reason: UnusableKey,
    },
    /// The keys do not fit into a function's environment.
    #[error(
        "the keys and the audience have {0} bytes, and may have {MAX_SETTING_BYTES}: list fewer keys, or keys of Ed25519 or \
         P-256, which are shorter than those of RSA"
    )]
    TooLarge(usize),
}

impl OwnerTokens {
    /// Accepts tokens with this `aud` that one of the keys in the JWKS document has signed. Every key of the document
    /// must be usable: of Ed25519, P-256, or RSA with at least 2,048 bits.
    pub fn new(audience: &str, keys: &str) -> Result<Self, InvalidTokens> {
        if audience.is_empty() {
            return Err(InvalidTokens::NoAudience);
        }
        let set = KeySet::parse(keys)?;
        if let Some(ignored) = set.ignored().first() {
            return Err(InvalidTokens::UnusableKey {
                index: ignored.index,
                reason: ignored.reason.clone(),
            });
        }
        let mut document: Value = serde_json::from_str(keys)
            .map_err(|error| KeySetError::Malformed(error.to_string()))?;
        let keys = match document["keys"].take() {
            Value::Array(keys) => keys.into_iter().map(minimal).collect(),
            _ => Vec::new(),
        };
        Self::checked(TokenIssuer {
            audience: audience.to_owned(),
            issuer: None,
            keys,
        })
    }

    /// The same tokens, which must also have this `iss`.
    pub fn issued_by(mut self, issuer: &str) -> Result<Self, InvalidTokens> {
        if issuer.is_empty() {
            return Err(InvalidTokens::EmptyIssuer);
        }
        self.issuer.issuer = Some(issuer.to_owned());
        Self::checked(self.issuer)
    }

    fn checked(issuer: TokenIssuer) -> Result<Self, InvalidTokens> {
        let bytes = setting(true, Some(&issuer)).len();
        if bytes > MAX_SETTING_BYTES {
            return Err(InvalidTokens::TooLarge(bytes));
        }
        Ok(Self { issuer })
    }
}

/// The members of a key that verify tokens.
fn minimal(key: Value) -> Value {
    match key {
        Value::Object(mut members) => {
            members.retain(|name, _| MEMBERS.contains(&name.as_str()));
            Value::Object(members)
        }
        other => other,
    }
}

fn setting(is_required: bool, issuer: Option<&TokenIssuer>) -> String {
    let rules = TokenRules {
        is_required,
        issuer: issuer.cloned(),
    };
    serde_json::to_string(&rules).unwrap_or_default()
}

/// The value of the setting [`OwnerTokens`](stagecast_contract::environment::OwnerTokens).
pub(super) fn rules(
    tokens: Option<&OwnerTokens>,
    creation: JobCreation,
    has_authorizer: bool,
) -> String {
    let issuer = tokens.map(|tokens| &tokens.issuer);
    // API Gateway has verified the token of a `job_authorizer`, whose keys the functions do not have.
    let is_required =
        creation == JobCreation::TokenHolders && (issuer.is_some() || !has_authorizer);
    if issuer.is_none() && !is_required {
        return String::new();
    }
    setting(is_required, issuer)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KEY: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn document(keys: usize) -> String {
        let key =
            |id| json!({ "kty": "OKP", "crv": "Ed25519", "kid": id, "x": KEY, "x5c": ["MIIB"] });
        let keys: Vec<_> = (0..keys).map(|id| key(id.to_string())).collect();
        json!({ "keys": keys }).to_string()
    }

    #[test]
    fn invalid_tokens_are_refused_with_the_reason() {
        assert_eq!(
            OwnerTokens::new("", &document(1)),
            Err(InvalidTokens::NoAudience)
        );
        let encryption = json!({ "keys": [
            { "kty": "OKP", "crv": "Ed25519", "kid": "1", "x": KEY },
            { "kty": "OKP", "crv": "Ed25519", "kid": "2", "x": KEY, "use": "enc" },
        ] });
        assert!(matches!(
            OwnerTokens::new("stagecast", &encryption.to_string()),
            Err(InvalidTokens::UnusableKey { index: 1, .. })
        ));
        assert!(matches!(
            OwnerTokens::new("stagecast", &document(30)),
            Err(InvalidTokens::TooLarge(_))
        ));
        let tokens = OwnerTokens::new("stagecast", &document(1)).expect("valid");
        assert_eq!(tokens.issued_by(""), Err(InvalidTokens::EmptyIssuer));
    }

    fn read(rules: &str) -> TokenRules {
        serde_json::from_str(rules).expect("rules")
    }

    #[test]
    fn setting_has_the_keys_without_their_certificates() {
        assert_eq!(rules(None, JobCreation::Anyone, false), "");
        let tokens = OwnerTokens::new("stagecast", &document(2)).expect("valid");
        let rules = read(&rules(Some(&tokens), JobCreation::Anyone, false));
        assert!(!rules.is_required);
        let issuer = rules.issuer.expect("keys");
        assert_eq!(
            (issuer.audience.as_str(), issuer.keys.len()),
            ("stagecast", 2)
        );
        assert_eq!(issuer.keys[0]["x5c"], Value::Null);
    }

    #[test]
    fn creation_by_token_holders_without_keys_is_left_to_an_authorizer_or_refused() {
        assert_eq!(rules(None, JobCreation::TokenHolders, true), "");
        let refused = read(&rules(None, JobCreation::TokenHolders, false));
        assert!(refused.is_required && refused.issuer.is_none());
        let tokens = OwnerTokens::new("stagecast", &document(1)).expect("valid");
        assert!(read(&rules(Some(&tokens), JobCreation::TokenHolders, true)).is_required);
    }
}
