//! Owner tokens whose keys are at a URL, over HTTP on this machine.

use serde_json::{Value, json};
use stagecast_testing::{
    TestAws,
    fixtures::{TestJob, job_as},
    owner_tokens::{KeyServer, token_by},
};

use super::{Site, error, types};

/// A site with a job of `user-7`, and a connection.
async fn site(keys: &KeyServer) -> (Site, TestJob) {
    let site = Site::on(TestAws::new(), &[("OWNER_TOKENS", &keys.setting())]);
    let owned = |mut job: stagecast_core::models::Job| {
        job.owner = Some("user-7".to_owned());
        job
    };
    let job = job_as(&site.aws, &site.clock, 1, owned).await;
    site.connect("c1", &[]).await;
    (site, job)
}

/// The reply to a `request_status` with a token that the key with this number has signed.
async fn ask(site: &Site, job: &TestJob, key: u8) -> Vec<Value> {
    let claims = json!({ "sub": "user-7", "stagecast": { "scopes": ["watch"] } });
    let token = token_by(key, &site.clock, &claims);
    let request = json!({ "type": "request_status", "job_id": job.id.as_str(), "token": token });
    site.send("c1", request).await
}

#[tokio::test]
async fn rotated_key_is_fetched_without_a_deployment() {
    let keys = KeyServer::start(&[1]);
    let (site, job) = site(&keys).await;
    assert_eq!(types(&ask(&site, &job, 1).await), ["job_status"]);
    assert_eq!(keys.requests(), 1);

    keys.replace(&[2]);
    // A fetch has just been made, and another one for an unknown key waits for half a minute.
    let refused = ask(&site, &job, 2).await;
    assert_eq!(error(&refused), "invalid_token");
    assert_eq!(refused[0]["details"]["reason"], "unknown_key");
    assert_eq!(keys.requests(), 1);
    site.clock.advance(30);
    assert_eq!(types(&ask(&site, &job, 2).await), ["job_status"]);
    let refused = ask(&site, &job, 1).await;
    assert_eq!(refused[0]["details"]["reason"], "unknown_key");
    assert_eq!(keys.requests(), 2);
}

#[tokio::test]
async fn keys_that_cannot_be_fetched_are_named_and_known_ones_are_used() {
    let keys = KeyServer::start(&[1]);
    keys.fail();
    let (site, job) = site(&keys).await;
    let refused = ask(&site, &job, 1).await;
    assert_eq!(error(&refused), "token_keys_unavailable");
    assert_eq!(refused[0]["details"], json!({ "retry_after_seconds": 5 }));
    let message = refused[0]["message"].as_str().expect("a message");
    assert!(
        !message.contains("503") && !message.contains("127.0.0.1"),
        "{message}"
    );

    keys.replace(&[1]);
    site.clock.advance(5);
    assert_eq!(types(&ask(&site, &job, 1).await), ["job_status"]);
    keys.fail();
    site.clock.advance(24 * 3600);
    assert_eq!(types(&ask(&site, &job, 1).await), ["job_status"]);
    site.clock.advance(3600);
    assert_eq!(error(&ask(&site, &job, 1).await), "token_keys_unavailable");
}
