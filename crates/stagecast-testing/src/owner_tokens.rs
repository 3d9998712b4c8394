//! Owner tokens, which a key of the tests signs.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use stagecast_core::clock::Clock;
use stagecast_infra::{
    environments::{Environment, JobCreation, OwnerTokens},
    project::Project,
};

use crate::product::PRODUCT;

/// The audience of the tokens.
pub const AUDIENCE: &str = "stagecast";

fn key() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed of 32 bytes")
}

fn part(value: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value)
}

/// The test product in an environment `dev` with the key of [`token`].
pub fn project() -> Project {
    Project::new(&PRODUCT, || {
        vec![Environment {
            tokens: Some(tokens()),
            ..Environment::dev()
        }]
    })
}

/// The test product in an environment `dev` in which only holders of tokens can create jobs.
pub fn project_of_holders() -> Project {
    Project::new(&PRODUCT, || {
        vec![Environment {
            tokens: Some(tokens()),
            job_creation: JobCreation::TokenHolders,
            ..Environment::dev()
        }]
    })
}

fn tokens() -> OwnerTokens {
    let x = part(key().public_key());
    let keys = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "1", "x": x }] });
    OwnerTokens::new(AUDIENCE, &keys.to_string()).expect("valid keys")
}

/// A token with these claims, valid for five minutes unless they say otherwise.
pub fn token(clock: &Clock, claims: &Value) -> String {
    let mut all = json!({ "aud": AUDIENCE, "exp": clock.now().epoch_seconds() + 300 });
    if let (Some(all), Some(claims)) = (all.as_object_mut(), claims.as_object()) {
        all.extend(claims.clone());
    }
    let header = part(json!({ "alg": "EdDSA", "kid": "1" }).to_string());
    let signed = format!("{header}.{}", part(all.to_string()));
    let signature = part(key().sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

/// A token of `owner` with these scopes.
pub fn token_of(clock: &Clock, owner: &str, scopes: &[&str]) -> String {
    token(
        clock,
        &json!({ "sub": owner, "stagecast": { "scopes": scopes } }),
    )
}
