//! Messages with an owner token in place of the access key.

use serde_json::{Value, json};
use stagecast_testing::{
    fixtures::{TestJob, job_as},
    owner_tokens::{token, token_of},
};

use super::{Site, error, subscribe, types};

/// A site with a job of `user-7`, and a connection.
async fn site() -> (Site, TestJob) {
    let site = Site::with_tokens();
    let owned = |mut job: stagecast_core::models::Job| {
        job.owner = Some("user-7".to_owned());
        job
    };
    let job = job_as(&site.aws, &site.clock, 1, owned).await;
    site.connect("c1", &[]).await;
    (site, job)
}

fn message(kind: &str, job: &TestJob, token: &str) -> Value {
    json!({ "type": kind, "job_id": job.id.as_str(), "token": token })
}

#[tokio::test]
async fn token_of_the_owner_subscribes_reads_and_cancels() {
    let (site, job) = site().await;
    let token = token_of(&site.clock, "user-7", &["watch", "cancel"]);

    let status = site
        .send("c1", message("request_status", &job, &token))
        .await;
    assert_eq!(types(&status), ["job_status"]);
    assert_eq!(status[0]["owner"], "user-7");
    let subscribed = site.send("c1", message("subscribe", &job, &token)).await;
    assert_eq!(types(&subscribed), ["subscribed"]);
    assert_eq!(site.subscribers(), 1);
    let cancelled = site.send("c1", message("cancel_job", &job, &token)).await;
    assert!(
        types(&cancelled).contains(&"cancel_requested"),
        "{cancelled:?}"
    );
}

#[tokio::test]
async fn token_of_another_owner_opens_nothing() {
    let (site, job) = site().await;
    let token = token_of(&site.clock, "user-8", &["watch", "cancel"]);
    let unowned = site.job(2).await;
    for kind in ["subscribe", "request_status", "cancel_job"] {
        for job in [&job, &unowned] {
            let refused = site.send("c1", message(kind, job, &token)).await;
            assert_eq!(error(&refused), "forbidden", "{kind}");
        }
    }
    assert_eq!(site.subscribers(), 0);
}

#[tokio::test]
async fn token_without_the_scope_or_for_another_job_is_refused() {
    let (site, job) = site().await;
    let watch = token_of(&site.clock, "user-7", &["watch"]);
    let cancel = token_of(&site.clock, "user-7", &["cancel"]);
    for (kind, token, scope) in [
        ("subscribe", &cancel, "watch"),
        ("request_status", &cancel, "watch"),
        ("cancel_job", &watch, "cancel"),
    ] {
        let refused = site.send("c1", message(kind, &job, token)).await;
        assert_eq!(error(&refused), "token_forbidden", "{kind}");
        assert_eq!(refused[0]["details"]["scope"], scope);
    }
    let claim = json!({ "scopes": ["watch"], "job": "job_20240115_ab" });
    let other = token(&site.clock, &json!({ "sub": "user-7", "stagecast": claim }));
    let refused = site.send("c1", message("subscribe", &job, &other)).await;
    assert_eq!(error(&refused), "forbidden");
}

#[tokio::test]
async fn subscription_by_a_token_does_not_cancel_its_job() {
    let (site, job) = site().await;
    let watch = token_of(&site.clock, "user-7", &["watch"]);
    site.send("c1", message("subscribe", &job, &watch)).await;

    let refused = site
        .send(
            "c1",
            json!({ "type": "cancel_job", "job_id": job.id.as_str() }),
        )
        .await;

    assert_eq!(error(&refused), "forbidden");
    let key = job.access_key.reveal();
    let cancelled = site
        .send(
            "c1",
            json!({ "type": "cancel_job", "job_id": job.id.as_str(), "access_key": key }),
        )
        .await;
    assert!(
        types(&cancelled).contains(&"cancel_requested"),
        "{cancelled:?}"
    );
}

#[tokio::test]
async fn invalid_token_is_refused_with_its_reason() {
    let (site, job) = site().await;
    let expired = site.clock.now().epoch_seconds() - 31;
    let expired = token(&site.clock, &json!({ "sub": "user-7", "exp": expired }));
    for (token, reason) in [("abc", "malformed"), (expired.as_str(), "expired")] {
        let refused = site.send("c1", message("subscribe", &job, token)).await;
        assert_eq!(error(&refused), "invalid_token");
        assert_eq!(refused[0]["details"]["reason"], reason);
    }
}

#[tokio::test]
async fn access_key_opens_a_job_with_an_owner_and_a_token_needs_keys() {
    let (site, job) = site().await;
    assert_eq!(
        types(&site.send("c1", subscribe(&job)).await),
        ["subscribed"]
    );
    let site = Site::new();
    let job = site.job(1).await;
    site.connect("c1", &[]).await;
    let token = token_of(&site.clock, "user-7", &["watch"]);
    let refused = site.send("c1", message("subscribe", &job, &token)).await;
    assert_eq!(error(&refused), "invalid_token");
    assert_eq!(refused[0]["details"]["reason"], "no_keys");
}

fn authenticate(token: &str) -> Value {
    json!({ "type": "authenticate", "token": token })
}

/// `exp` of a token that was made `seconds` ago, as in messages.
fn expiry(site: &Site, seconds: i64) -> String {
    site.clock.now().plus_seconds(300 - seconds).to_string()
}

#[tokio::test]
async fn subscription_has_the_expiry_of_its_token_until_a_key_opens_it() {
    let (site, job) = site().await;
    let token = token_of(&site.clock, "user-7", &["watch"]);
    let subscribed = site.send("c1", message("subscribe", &job, &token)).await;
    assert_eq!(subscribed[0]["token_expires_at"], expiry(&site, 0));
    site.clock.advance(60);
    // The later of two tokens counts.
    let newer = token_of(&site.clock, "user-7", &["watch"]);
    for token in [&newer, &token] {
        let subscribed = site.send("c1", message("subscribe", &job, token)).await;
        assert_eq!(subscribed[0]["token_expires_at"], expiry(&site, 0));
    }
    let subscribed = site.send("c1", subscribe(&job)).await;
    assert_eq!(subscribed[0]["token_expires_at"], Value::Null);
    site.clock.advance(1_000);
    let again = json!({ "type": "subscribe", "job_id": job.id.as_str() });
    let subscribed = site.send("c1", again).await;
    assert_eq!(types(&subscribed), ["subscribed"]);
}

#[tokio::test]
async fn newer_token_extends_the_subscriptions_of_its_owner() {
    let (site, job) = site().await;
    let token = token_of(&site.clock, "user-7", &["watch"]);
    site.send("c1", message("subscribe", &job, &token)).await;
    let keyed = site.job(2).await;
    site.send("c1", subscribe(&keyed)).await;
    site.clock.advance(200);
    site.aws.calls().clear();

    let newer = token_of(&site.clock, "user-7", &["watch"]);
    let reply = site.send("c1", authenticate(&newer)).await;

    assert_eq!(types(&reply), ["authenticated"]);
    assert_eq!(reply[0]["owner"], "user-7");
    assert_eq!(reply[0]["subscriptions"], 1);
    assert_eq!(reply[0]["token_expires_at"], expiry(&site, 0));
    let count = |operation| site.aws.calls().count(|call| call.operation == operation);
    // The connection, and both items of the subscription.
    assert_eq!(count("dynamodb:UpdateItem"), 3);
    assert_eq!(count("dynamodb:Query"), 1);
    // The later expiry remains.
    let reply = site.send("c1", authenticate(&token)).await;
    assert_eq!(reply[0]["subscriptions"], 1);
    site.clock.advance(329);
    let status = json!({ "type": "request_status", "job_id": job.id.as_str() });
    assert_eq!(
        types(&site.send("c1", status.clone()).await),
        ["job_status"]
    );
    site.clock.advance(1);
    let refused = site.send("c1", status).await;
    assert_eq!(error(&refused), "token_expired");
    assert_eq!(refused[0]["details"]["job_id"], job.id.as_str());
}

#[tokio::test]
async fn expired_subscription_gives_no_access_until_a_newer_token_extends_it() {
    let (site, job) = site().await;
    let token = token_of(&site.clock, "user-7", &["watch"]);
    site.send("c1", message("subscribe", &job, &token)).await;
    site.clock.advance(330);
    for kind in ["subscribe", "request_status"] {
        let without = json!({ "type": kind, "job_id": job.id.as_str() });
        let refused = site.send("c1", without).await;
        assert_eq!(error(&refused), "token_expired", "{kind}");
    }
    let expired = site.send("c1", authenticate(&token)).await;
    assert_eq!(expired[0]["details"]["reason"], "expired");

    let newer = token_of(&site.clock, "user-7", &["watch"]);
    let reply = site.send("c1", authenticate(&newer)).await;
    assert_eq!(reply[0]["subscriptions"], 1);
    for (kind, reply) in [
        ("subscribe", "subscribed"),
        ("request_status", "job_status"),
    ] {
        let without = json!({ "type": kind, "job_id": job.id.as_str() });
        assert_eq!(types(&site.send("c1", without).await), [reply]);
    }
}

#[tokio::test]
async fn token_of_another_owner_or_without_the_scope_extends_nothing() {
    let (site, job) = site().await;
    let watch = token_of(&site.clock, "user-7", &["watch"]);
    site.send("c1", message("subscribe", &job, &watch)).await;
    let stored = site.aws.items::<stagecast_contract::tables::Subscribers>();
    site.clock.advance(100);

    let other = token_of(&site.clock, "user-8", &["watch"]);
    let refused = site.send("c1", authenticate(&other)).await;
    assert_eq!(error(&refused), "token_forbidden");
    assert_eq!(refused[0]["details"]["limit"], "owner");
    let cancel = token_of(&site.clock, "user-7", &["cancel"]);
    let refused = site.send("c1", authenticate(&cancel)).await;
    assert_eq!(refused[0]["details"]["scope"], "watch");
    for limit in [
        json!({ "job": "job_20240115_ab" }),
        json!({ "labels": { "team": "blue" } }),
    ] {
        let mut claim = json!({ "scopes": ["watch"] });
        claim
            .as_object_mut()
            .unwrap()
            .extend(limit.as_object().unwrap().clone());
        let limited = token(&site.clock, &json!({ "sub": "user-7", "stagecast": claim }));
        let reply = site.send("c1", authenticate(&limited)).await;
        assert_eq!(reply[0]["subscriptions"], 0, "{limit}");
    }
    let after = site.aws.items::<stagecast_contract::tables::Subscribers>();
    assert_eq!(after, stored);
}
