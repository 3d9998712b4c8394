//! Queues of external workers whose jobs have owners: whose job is claimed next, and the limit of running jobs.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use end_to_end::{Job, System, needs, worker::stage_complete};
use http::Method;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use stagecast_contract::{
    environment::{MaxRunningPerOwner, OwnerTokens},
    ids::WorkerToken,
};
use stagecast_core::clock::Clock;
use typed_contract::environment::Setting as _;

fn key() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed of 32 bytes")
}

fn part(value: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value)
}

/// A token of `owner` that creates jobs.
fn token_of(owner: &str) -> String {
    let expiry = Clock::system().now().epoch_seconds() + 300;
    let claims = json!({ "sub": owner, "aud": "stagecast", "exp": expiry, "stagecast": { "scopes": ["create"] } });
    let header = part(json!({ "alg": "EdDSA", "kid": "1" }).to_string());
    let signed = format!("{header}.{}", part(claims.to_string()));
    let signature = part(key().sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

/// A stack that accepts these tokens, with a limit of running jobs if there is one.
async fn start(limit: Option<&str>) -> System {
    let keys =
        json!([{ "kty": "OKP", "crv": "Ed25519", "kid": "1", "x": part(key().public_key()) }]);
    let issuer = json!({ "audience": "stagecast", "keys": keys });
    let tokens = json!({ "is_required": false, "issuer": issuer }).to_string();
    System::start_with(|options| {
        let mut set = |function: &str, variable: &str, value: &str| {
            let variables = options.environment.entry(function.to_owned()).or_default();
            variables.insert(variable.to_owned(), value.to_owned());
        };
        set("jobs", OwnerTokens::SPEC.variable, &tokens);
        for function in ["worker", "delivery"] {
            let limit = limit.unwrap_or_default();
            set(function, MaxRunningPerOwner::SPEC.variable, limit);
        }
    })
    .await
}

async fn create_as(system: &System, owner: &str) -> Job {
    let bearer = format!("Bearer {}", token_of(owner));
    let headers = [
        ("content-type", "text/plain"),
        ("authorization", bearer.as_str()),
    ];
    let path = "/v1/jobs?queue=plans";
    let answer = system.http.request(Method::POST, path, &headers, "input");
    let answer = answer.await;
    assert_eq!(answer.status, 202, "{:?}", answer.body);
    system.job(&answer)
}

/// The id of the next job of the queue.
async fn claimed(system: &System, token: &WorkerToken) -> String {
    let (claimed, _) = system.claim_from("plans", token).await.expect("a job");
    claimed["job_id"].as_str().expect("a string").to_owned()
}

fn end() -> Value {
    json!([stage_complete("a", 1), { "type": "job_complete" }])
}

#[tokio::test]
async fn job_of_a_second_owner_is_claimed_next() {
    needs!(AdjustStack);
    let system = start(None).await;
    let token = system.worker_token().await;
    let mut many = Vec::new();
    for _ in 0..10 {
        many.push(create_as(&system, "many").await.id);
    }
    let one = create_as(&system, "one").await.id;

    let mut order = Vec::new();
    for _ in 0..3 {
        order.push(claimed(&system, &token).await);
    }

    assert_eq!(order, [&*many[0], &*one, &*many[1]]);
    system.finish().await;
}

#[tokio::test]
async fn worker_is_notified_when_an_owner_is_below_its_limit_again() {
    needs!(AdjustStack);
    let system = start(Some("1")).await;
    let token = system.worker_token().await;
    create_as(&system, "a").await;
    let second = create_as(&system, "a").await;
    let (_, mut busy) = system.claim_from("plans", &token).await.expect("a job");
    let (mut client, listener) = system.listen("plans", &token).await;
    let idle = system.claim_listening("plans", &token, &listener).await;
    assert!(idle.is_none(), "the owner is at its limit");

    busy.post_events(end()).await;

    let available = client.expect("job_available").await;
    assert_eq!(available["queue"], "plans");
    let next = system.claim_listening("plans", &token, &listener).await;
    let (next, _) = next.expect("the second job");
    assert_eq!(next["job_id"], second.id);
    client.close().await;
    system.finish().await;
}
