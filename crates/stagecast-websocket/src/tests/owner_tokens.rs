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
