//! JWT authorizers: verifies tokens by API Gateway's rules.

use std::{collections::HashMap, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RsaParameters, RsaPublicKeyComponents,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::{clock::Timestamp, http_util::header_text, template::JwtConfiguration};

/// Timeout of a request to the issuer.
const ISSUER_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest response of the issuer, in bytes.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// Why a token is rejected.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    #[error("the Authorization header has no token")]
    NoToken,
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    #[error("the algorithm is {0}; API Gateway accepts RS256, RS384 and RS512")]
    Algorithm(String),
    #[error("the issuer has no key '{0}'")]
    UnknownKey(String),
    #[error("the signature is wrong")]
    Signature,
    #[error("the claim `{0}` is missing or wrong")]
    Claim(&'static str),
    #[error("the issuer's keys cannot be fetched: {0}")]
    Issuer(String),
}

/// Verifies tokens and caches the issuers' keys.
#[derive(Debug)]
pub(super) struct TokenVerifier {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    keys: Mutex<HashMap<String, Vec<Key>>>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
}

#[derive(Deserialize)]
struct Configuration {
    jwks_uri: String,
}

#[derive(Deserialize)]
struct Keys {
    keys: Vec<Key>,
}

/// An RSA public key in JWK format.
#[derive(Clone, Debug, Deserialize)]
struct Key {
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
}

impl Default for TokenVerifier {
    fn default() -> Self {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in rustls_native_certs::load_native_certs().certs {
            // Skip a certificate that cannot be read: no issuer is trusted because of it.
            let _ = roots.add(certificate);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring supports the default versions of TLS")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            // An issuer on this machine may use plain HTTP. API Gateway requires HTTPS.
            .https_or_http()
            .enable_http1()
            .build();
        Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            keys: Mutex::default(),
        }
    }
}

impl TokenVerifier {
    /// The claims of the request's token, if it is valid.
    pub(super) async fn claims(
        &self,
        headers: &HeaderMap,
        authorizer: &JwtConfiguration,
    ) -> Result<Value, TokenError> {
        let value = header_text(headers, header::AUTHORIZATION);
        let token = value.strip_prefix("Bearer ").unwrap_or(value).trim();
        if token.is_empty() {
            return Err(TokenError::NoToken);
        }
        let (signed, signature) = token
            .rsplit_once('.')
            .ok_or(TokenError::Malformed("no signature"))?;
        let (head, body) = signed
            .split_once('.')
            .ok_or(TokenError::Malformed("no claims"))?;
        let head: Header = decode_part(head)?;
        let claims: Value = decode_part(body)?;
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| TokenError::Malformed("the signature is not base64url"))?;
        check_claims(
            &claims,
            authorizer,
            Timestamp::now().epoch_milliseconds() / 1000,
        )?;
        let algorithm = algorithm(&head)?;
        let key = self.key(&authorizer.issuer, head.kid.as_deref()).await?;
        let number = |text: &str| {
            URL_SAFE_NO_PAD
                .decode(text)
                .map_err(|_| TokenError::Signature)
        };
        let key = RsaPublicKeyComponents {
            n: number(&key.n)?,
            e: number(&key.e)?,
        };
        key.verify(algorithm, signed.as_bytes(), &signature)
            .map_err(|_| TokenError::Signature)?;
        Ok(claims)
    }

    /// The issuer's key with this id. Fetches the keys again if the cache has none with this id.
    async fn key(&self, issuer: &str, id: Option<&str>) -> Result<Key, TokenError> {
        let find = |keys: &[Key]| {
            keys.iter()
                .find(|key| id.is_none() || key.kid.as_deref() == id)
                .cloned()
        };
        let mut known = self.keys.lock().await;
        if let Some(key) = known.get(issuer).and_then(|keys| find(keys)) {
            return Ok(key);
        }
        let address = format!(
            "{}/.well-known/openid-configuration",
            issuer.trim_end_matches('/')
        );
        let configuration: Configuration = self.get(&address).await?;
        let Keys { keys } = self.get(&configuration.jwks_uri).await?;
        let key = find(&keys);
        known.insert(issuer.to_owned(), keys);
        key.ok_or_else(|| TokenError::UnknownKey(id.unwrap_or_default().to_owned()))
    }

    async fn get<T: DeserializeOwned>(&self, address: &str) -> Result<T, TokenError> {
        let failed = |cause: String| TokenError::Issuer(format!("{address}: {cause}"));
        let request = Request::get(address)
            .body(Empty::new())
            .map_err(|error| failed(error.to_string()))?;
        let fetch = async {
            let response = self
                .client
                .request(request)
                .await
                .map_err(|error| failed(error.to_string()))?;
            let status = response.status();
            if !status.is_success() {
                return Err(failed(status.to_string()));
            }
            let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES)
                .collect()
                .await;
            Ok(body.map_err(|error| failed(error.to_string()))?.to_bytes())
        };
        let body = tokio::time::timeout(ISSUER_TIMEOUT, fetch)
            .await
            .map_err(|_| failed("no response within 5 s".to_owned()))??;
        serde_json::from_slice(&body).map_err(|error| failed(error.to_string()))
    }
}

fn decode_part<T: DeserializeOwned>(text: &str) -> Result<T, TokenError> {
    let bytes = URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| TokenError::Malformed("a part is not base64url"))?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed("a part is not JSON"))
}

fn algorithm(header: &Header) -> Result<&'static RsaParameters, TokenError> {
    Ok(match header.alg.as_str() {
        "RS256" => &RSA_PKCS1_2048_8192_SHA256,
        "RS384" => &RSA_PKCS1_2048_8192_SHA384,
        "RS512" => &RSA_PKCS1_2048_8192_SHA512,
        other => return Err(TokenError::Algorithm(other.to_owned())),
    })
}

/// Checks the claims that API Gateway checks. `client_id` replaces a missing `aud`.
fn check_claims(claims: &Value, authorizer: &JwtConfiguration, now: i64) -> Result<(), TokenError> {
    if claims["iss"].as_str() != Some(&authorizer.issuer) {
        return Err(TokenError::Claim("iss"));
    }
    let is_known = |audience: &Value| {
        let audience = audience.as_str();
        authorizer
            .audience
            .iter()
            .any(|known| audience == Some(known))
    };
    let is_s3_request = match &claims["aud"] {
        Value::Array(audiences) => audiences.iter().any(is_known),
        Value::Null => is_known(&claims["client_id"]),
        audience => is_known(audience),
    };
    if !is_s3_request {
        return Err(TokenError::Claim("aud"));
    }
    if claims["exp"]
        .as_i64()
        .is_none_or(|expires_at| expires_at <= now)
    {
        return Err(TokenError::Claim("exp"));
    }
    for begin in ["nbf", "iat"] {
        if claims[begin]
            .as_i64()
            .is_some_and(|begins_at| begins_at > now)
        {
            return Err(TokenError::Claim(begin));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_705_314_615;

    fn authorizer() -> JwtConfiguration {
        JwtConfiguration {
            issuer: "https://login.example.com/".to_owned(),
            audience: vec!["shop".to_owned()],
        }
    }

    fn claims(change: &str, value: Value) -> Value {
        let mut claims = json!({
            "iss": "https://login.example.com/",
            "aud": "shop",
            "exp": NOW + 60,
            "iat": NOW,
        });
        claims[change] = value;
        claims
    }

    #[test]
    fn valid_claims_are_accepted() {
        for (change, value) in [
            ("sub", json!("user")),
            ("aud", json!(["other", "shop"])),
            ("nbf", json!(NOW)),
        ] {
            let claims = claims(change, value);
            assert!(
                check_claims(&claims, &authorizer(), NOW).is_ok(),
                "{claims}"
            );
        }
        let mut by_client = claims("client_id", json!("shop"));
        by_client["aud"] = Value::Null;
        assert!(check_claims(&by_client, &authorizer(), NOW).is_ok());
    }

    #[test]
    fn invalid_claim_is_rejected_and_named() {
        for (change, value) in [
            ("iss", json!("https://login.example.com")),
            ("aud", json!("other")),
            ("aud", Value::Null),
            ("exp", json!(NOW)),
            ("exp", Value::Null),
            ("nbf", json!(NOW + 1)),
            ("iat", json!(NOW + 1)),
        ] {
            let error = check_claims(&claims(change, value), &authorizer(), NOW);
            assert!(
                matches!(&error, Err(TokenError::Claim(claim)) if *claim == change),
                "{change}: {error:?}"
            );
        }
    }

    #[test]
    fn tokens_without_an_rsa_signature_are_rejected() {
        for alg in ["none", "HS256", "ES256"] {
            let header = Header {
                alg: alg.to_owned(),
                kid: None,
            };
            assert!(
                matches!(algorithm(&header), Err(TokenError::Algorithm(_))),
                "{alg}"
            );
        }
    }
}
