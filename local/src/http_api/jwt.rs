//! JWT authorizers: which token lets a request in, as API Gateway decides it.

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

use crate::{clock::Moment, http_util::header_text, template::JwtConfiguration};

/// Longest wait for the issuer.
const ISSUER_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest answer of the issuer, in bytes.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// Why a token does not let a request in.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("there is no token in the Authorization header")]
    NoToken,
    #[error("it is no token: {0}")]
    Malformed(&'static str),
    #[error("its algorithm is {0}; API Gateway takes RS256, RS384 and RS512")]
    Algorithm(String),
    #[error("the issuer has no key '{0}'")]
    UnknownKey(String),
    #[error("its signature is wrong")]
    Signature,
    #[error("its `{0}` is missing or wrong")]
    Claim(&'static str),
    #[error("the keys of the issuer cannot be had: {0}")]
    Issuer(String),
}

/// The keys of the issuers that were asked so far.
#[derive(Debug)]
pub(super) struct Tokens {
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

/// A public key as the issuer publishes it.
#[derive(Clone, Debug, Deserialize)]
struct Key {
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
}

impl Default for Tokens {
    fn default() -> Self {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in rustls_native_certs::load_native_certs().certs {
            // One that cannot be read is one that no issuer is trusted for.
            let _ = roots.add(certificate);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring knows the default versions of TLS")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            // An issuer on this machine may speak plain HTTP. What is deployed asks for HTTPS.
            .https_or_http()
            .enable_http1()
            .build();
        Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            keys: Mutex::default(),
        }
    }
}

impl Tokens {
    /// The claims of the request's token, if it lets the request in.
    pub(super) async fn claims(
        &self,
        headers: &HeaderMap,
        authorizer: &JwtConfiguration,
    ) -> Result<Value, Refused> {
        let value = header_text(headers, header::AUTHORIZATION);
        let token = value.strip_prefix("Bearer ").unwrap_or(value).trim();
        if token.is_empty() {
            return Err(Refused::NoToken);
        }
        let (signed, signature) = token
            .rsplit_once('.')
            .ok_or(Refused::Malformed("it has no signature"))?;
        let (head, body) = signed
            .split_once('.')
            .ok_or(Refused::Malformed("it has no claims"))?;
        let head: Header = part(head)?;
        let claims: Value = part(body)?;
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| Refused::Malformed("its signature is not base64url"))?;
        check_claims(
            &claims,
            authorizer,
            Moment::now().epoch_milliseconds() / 1000,
        )?;
        let algorithm = algorithm(&head)?;
        let key = self.key(&authorizer.issuer, head.kid.as_deref()).await?;
        let number = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| Refused::Signature);
        let key = RsaPublicKeyComponents {
            n: number(&key.n)?,
            e: number(&key.e)?,
        };
        key.verify(algorithm, signed.as_bytes(), &signature)
            .map_err(|_| Refused::Signature)?;
        Ok(claims)
    }

    /// The issuer's key of this id. One that is not known yet may be new.
    async fn key(&self, issuer: &str, id: Option<&str>) -> Result<Key, Refused> {
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
        key.ok_or_else(|| Refused::UnknownKey(id.unwrap_or_default().to_owned()))
    }

    async fn get<T: DeserializeOwned>(&self, address: &str) -> Result<T, Refused> {
        let failed = |cause: String| Refused::Issuer(format!("{address}: {cause}"));
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
            .map_err(|_| failed("no answer in 5 s".to_owned()))??;
        serde_json::from_slice(&body).map_err(|error| failed(error.to_string()))
    }
}

fn part<T: DeserializeOwned>(text: &str) -> Result<T, Refused> {
    let bytes = URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| Refused::Malformed("a part of it is not base64url"))?;
    serde_json::from_slice(&bytes).map_err(|_| Refused::Malformed("a part of it is not JSON"))
}

fn algorithm(header: &Header) -> Result<&'static RsaParameters, Refused> {
    Ok(match header.alg.as_str() {
        "RS256" => &RSA_PKCS1_2048_8192_SHA256,
        "RS384" => &RSA_PKCS1_2048_8192_SHA384,
        "RS512" => &RSA_PKCS1_2048_8192_SHA512,
        other => return Err(Refused::Algorithm(other.to_owned())),
    })
}

/// The claims that API Gateway looks at. `client_id` stands in for `aud` where that is missing.
fn check_claims(claims: &Value, authorizer: &JwtConfiguration, now: i64) -> Result<(), Refused> {
    if claims["iss"].as_str() != Some(&authorizer.issuer) {
        return Err(Refused::Claim("iss"));
    }
    let is_known = |audience: &Value| {
        let audience = audience.as_str();
        authorizer
            .audience
            .iter()
            .any(|known| audience == Some(known))
    };
    let is_meant = match &claims["aud"] {
        Value::Array(audiences) => audiences.iter().any(is_known),
        Value::Null => is_known(&claims["client_id"]),
        audience => is_known(audience),
    };
    if !is_meant {
        return Err(Refused::Claim("aud"));
    }
    if claims["exp"]
        .as_i64()
        .is_none_or(|expires_at| expires_at <= now)
    {
        return Err(Refused::Claim("exp"));
    }
    for begin in ["nbf", "iat"] {
        if claims[begin]
            .as_i64()
            .is_some_and(|begins_at| begins_at > now)
        {
            return Err(Refused::Claim(begin));
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
            audience: vec!["stagecast".to_owned()],
        }
    }

    fn claims(change: &str, value: Value) -> Value {
        let mut claims = json!({
            "iss": "https://login.example.com/",
            "aud": "stagecast",
            "exp": NOW + 60,
            "iat": NOW,
        });
        claims[change] = value;
        claims
    }

    #[test]
    fn claims_of_a_good_token_pass() {
        for (change, value) in [
            ("sub", json!("user")),
            ("aud", json!(["other", "stagecast"])),
            ("nbf", json!(NOW)),
        ] {
            let claims = claims(change, value);
            assert!(
                check_claims(&claims, &authorizer(), NOW).is_ok(),
                "{claims}"
            );
        }
        let mut by_client = claims("client_id", json!("stagecast"));
        by_client["aud"] = Value::Null;
        assert!(check_claims(&by_client, &authorizer(), NOW).is_ok());
    }

    #[test]
    fn claims_of_another_issuer_audience_or_time_are_refused_by_name() {
        for (change, value) in [
            ("iss", json!("https://login.example.com")),
            ("aud", json!("other")),
            ("aud", Value::Null),
            ("exp", json!(NOW)),
            ("exp", Value::Null),
            ("nbf", json!(NOW + 1)),
            ("iat", json!(NOW + 1)),
        ] {
            let refused = check_claims(&claims(change, value), &authorizer(), NOW);
            assert!(
                matches!(&refused, Err(Refused::Claim(claim)) if *claim == change),
                "{change}: {refused:?}"
            );
        }
    }

    #[test]
    fn tokens_without_a_signature_of_rsa_are_refused() {
        for alg in ["none", "HS256", "ES256"] {
            let header = Header {
                alg: alg.to_owned(),
                kid: None,
            };
            assert!(
                matches!(algorithm(&header), Err(Refused::Algorithm(_))),
                "{alg}"
            );
        }
    }
}
