//! Owner tokens, which a key of the tests signs.

use std::{
    io::{self, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use stagecast_contract::owner_tokens::{TokenIssuer, TokenRules};
use stagecast_core::clock::Clock;
use stagecast_infra::{
    environments::{Environment, JobCreation, OwnerTokens},
    project::Project,
};

use crate::product::PRODUCT;

/// The audience of the tokens.
pub const AUDIENCE: &str = "stagecast";

/// The key with this number, which is its `kid`.
fn key(number: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[number; 32]).expect("a seed of 32 bytes")
}

/// The JWKS document of the keys with these numbers.
pub fn key_document(numbers: &[u8]) -> String {
    let jwk = |number: &u8| {
        let x = part(key(*number).public_key());
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": number.to_string(), "x": x })
    };
    let keys: Vec<_> = numbers.iter().map(jwk).collect();
    json!({ "keys": keys }).to_string()
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
    OwnerTokens::new(AUDIENCE, &key_document(&[1])).expect("valid keys")
}

/// A token with these claims, valid for five minutes unless they say otherwise.
pub fn token(clock: &Clock, claims: &Value) -> String {
    token_by(1, clock, claims)
}

/// [`token`], signed by the key with this number.
pub fn token_by(number: u8, clock: &Clock, claims: &Value) -> String {
    let mut all = json!({ "aud": AUDIENCE, "exp": clock.now().epoch_seconds() + 300 });
    if let (Some(all), Some(claims)) = (all.as_object_mut(), claims.as_object()) {
        all.extend(claims.clone());
    }
    let header = part(json!({ "alg": "EdDSA", "kid": number.to_string() }).to_string());
    let signed = format!("{header}.{}", part(all.to_string()));
    let signature = part(key(number).sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

/// A token of `owner` with these scopes.
pub fn token_of(clock: &Clock, owner: &str, scopes: &[&str]) -> String {
    token(
        clock,
        &json!({ "sub": owner, "stagecast": { "scopes": scopes } }),
    )
}

/// Serves a document of keys on this machine, from a thread.
#[derive(Debug)]
pub struct KeyServer {
    url: String,
    state: Arc<Mutex<Served>>,
}

#[derive(Debug)]
struct Served {
    /// The status 503 without a document.
    document: Option<String>,
    requests: usize,
}

impl KeyServer {
    /// Serves the keys with these numbers.
    ///
    /// # Panics
    ///
    /// When no port of this machine can be opened.
    pub fn start(numbers: &[u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(Served {
            document: Some(key_document(numbers)),
            requests: 0,
        }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away is no failure of the server.
                let _ = answer(stream, &shared);
            }
        });
        Self {
            url: format!("http://{address}/keys"),
            state,
        }
    }

    /// The value of `OWNER_TOKENS` with the keys at the server's URL.
    pub fn setting(&self) -> String {
        let rules = TokenRules {
            is_required: false,
            issuer: Some(TokenIssuer {
                audience: AUDIENCE.to_owned(),
                issuer: None,
                keys: Vec::new(),
                keys_url: Some(self.url.clone()),
            }),
        };
        serde_json::to_string(&rules).unwrap_or_default()
    }

    /// Serves the keys with these numbers from now on.
    pub fn replace(&self, numbers: &[u8]) {
        self.lock().document = Some(key_document(numbers));
    }

    /// Fails from now on.
    pub fn fail(&self) {
        self.lock().document = None;
    }

    /// The number of requests so far.
    pub fn requests(&self) -> usize {
        self.lock().requests
    }

    fn lock(&self) -> MutexGuard<'_, Served> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(mut stream: TcpStream, state: &Mutex<Served>) -> io::Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 1024];
    while !request.ends_with(b"\r\n\r\n") {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        request.extend_from_slice(&buffer[..read]);
    }
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    state.requests += 1;
    let (status, body) = match &state.document {
        Some(document) => ("200 OK", document.as_str()),
        None => ("503 Service Unavailable", ""),
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}
