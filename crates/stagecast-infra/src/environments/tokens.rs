//! Owner tokens, and who can create jobs.

use serde_json::Value;
use stagecast_contract::owner_tokens::{MAX_SETTING_BYTES, TokenIssuer, TokenRules};
use token_verifier::{KeySet, KeySetError, UnusableKey};
use url::{Host, Url};

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
    /// The URL of the keys cannot be fetched from.
    #[error("the URL of keys '{url}' {problem}")]
    Url {
        /// The URL.
        url: String,
        /// What is wrong, and what to do.
        problem: &'static str,
    },
    /// A key beside a URL has no `kid`.
    #[error("the listed key has no `kid`, which it needs beside keys at a URL")]
    KeyIdMissing,
    /// The keys do not fit into a function's environment.
    #[error(
        "the keys and the audience have {0} bytes, and may have {MAX_SETTING_BYTES}: list fewer keys, or keys of Ed25519 or \
         P-256, which are shorter than those of RSA; or publish them at a URL"
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
            keys_url: None,
        })
    }

    /// Accepts tokens with this `aud` that one of the keys in the JWKS document at `url` has signed. The functions
    /// fetch the document when they need it, and cache it.
    ///
    /// `url` is an `https://` URL without credentials and fragment; of this machine, as in tests, also `http://`.
    ///
    /// ```
    /// use stagecast_infra::environments::OwnerTokens;
    ///
    /// let url = "https://login.example.com/.well-known/jwks.json";
    /// assert!(OwnerTokens::with_keys_at("stagecast", url).is_ok());
    /// assert!(OwnerTokens::with_keys_at("stagecast", "http://login.example.com/keys").is_err());
    /// ```
    pub fn with_keys_at(audience: &str, url: &str) -> Result<Self, InvalidTokens> {
        if audience.is_empty() {
            return Err(InvalidTokens::NoAudience);
        }
        check_url(url)?;
        Self::checked(TokenIssuer {
            audience: audience.to_owned(),
            issuer: None,
            keys: Vec::new(),
            keys_url: Some(url.to_owned()),
        })
    }

    /// The same tokens, and those that one of the keys in the JWKS document at `url` has signed. The listed keys are
    /// used without a fetch, so they also verify tokens while the URL is not available.
    pub fn and_keys_at(mut self, url: &str) -> Result<Self, InvalidTokens> {
        check_url(url)?;
        if self.issuer.keys.iter().any(|key| key["kid"].is_null()) {
            return Err(InvalidTokens::KeyIdMissing);
        }
        self.issuer.keys_url = Some(url.to_owned());
        Self::checked(self.issuer)
    }

    /// Whether the keys are at a URL of this machine, which functions in AWS cannot fetch.
    #[cfg(feature = "cli")]
    pub(crate) fn are_local(&self) -> bool {
        let url = self.issuer.keys_url.as_deref();
        url.is_some_and(|url| url.starts_with("http://"))
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

/// Refuses a URL that functions must not fetch keys from.
fn check_url(text: &str) -> Result<(), InvalidTokens> {
    let refuse = |problem| {
        Err(InvalidTokens::Url {
            url: text.to_owned(),
            problem,
        })
    };
    let Ok(url) = Url::parse(text) else {
        return refuse(
            "is not a URL; give one like https://login.example.com/.well-known/jwks.json",
        );
    };
    let is_this_machine = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => {}
        "http" if is_this_machine => {}
        _ => {
            return refuse(
                "is not an https:// URL: others could replace the keys on their way; use https",
            );
        }
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse(
            "has a user or a password, which would be in the template; public keys need none",
        );
    }
    if url.fragment().is_some() {
        return refuse("has a fragment, which is not sent; remove '#' and what follows");
    }
    Ok(())
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

    #[test]
    fn url_of_keys_is_https_without_credentials_and_fragment() {
        for url in [
            "https://login.example.com/.well-known/jwks.json",
            "https://login.example.com:8443/keys?tenant=7",
            "http://127.0.0.1:8080/keys",
            "http://[::1]/keys",
            "http://localhost:8080/keys",
        ] {
            let tokens = OwnerTokens::with_keys_at("stagecast", url).expect(url);
            assert_eq!(tokens.are_local(), url.starts_with("http:"), "{url}");
            let listed = OwnerTokens::new("stagecast", &document(1)).expect("valid");
            assert!(listed.and_keys_at(url).is_ok(), "{url}");
        }
        for (url, problem) in [
            ("login.example.com/keys", "is not a URL"),
            ("http://login.example.com/keys", "is not an https:// URL"),
            (
                "http://127.0.0.1.example.com/keys",
                "is not an https:// URL",
            ),
            ("file:///keys.json", "is not an https:// URL"),
            (
                "https://user@login.example.com/keys",
                "a user or a password",
            ),
            (
                "https://:secret@login.example.com/keys",
                "a user or a password",
            ),
            ("https://login.example.com/keys#1", "a fragment"),
        ] {
            let error = OwnerTokens::with_keys_at("stagecast", url).expect_err(url);
            assert!(error.to_string().contains(problem), "{error}");
            assert!(error.to_string().contains(url), "{error}");
        }
        let unnamed = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": KEY }] });
        let unnamed = OwnerTokens::new("stagecast", &unnamed.to_string()).expect("valid");
        assert_eq!(
            unnamed.and_keys_at("https://login.example.com/keys"),
            Err(InvalidTokens::KeyIdMissing)
        );
    }

    #[test]
    fn setting_has_the_url_beside_the_listed_keys_or_in_their_place() {
        let url = "https://login.example.com/keys";
        let only = OwnerTokens::with_keys_at("stagecast", url).expect("valid");
        assert_eq!(
            rules(Some(&only), JobCreation::TokenHolders, false),
            format!(
                r#"{{"is_required":true,"issuer":{{"audience":"stagecast","keys_url":"{url}"}}}}"#
            )
        );
        let listed = OwnerTokens::new("stagecast", &document(2)).expect("valid");
        let both = listed.and_keys_at(url).expect("valid");
        let both = read(&rules(Some(&both), JobCreation::Anyone, false));
        let issuer = both.issuer.expect("keys");
        assert_eq!(
            (issuer.keys.len(), issuer.keys_url.as_deref()),
            (2, Some(url))
        );
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
