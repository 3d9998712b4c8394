//! `subscribe` and `unsubscribe` with an `owner`.

use serde_json::{Value, json};
use stagecast_contract::tables::{Connections, Subscribers};
use stagecast_testing::{
    TestAws,
    owner_tokens::{project, token, token_of},
};

use super::{Site, error, types};

async fn site() -> Site {
    let site = Site::with_tokens();
    site.connect("c1", &[]).await;
    site
}

fn subscribe(owner: &str, token: &str) -> Value {
    json!({ "type": "subscribe", "owner": owner, "token": token, "request_id": "r1" })
}

/// Sends a subscription to the feed of `user-7` with a valid token.
async fn watch(site: &Site, connection_id: &str) -> Vec<Value> {
    let token = token_of(&site.clock, "user-7", &["watch"]);
    site.send(connection_id, subscribe("user-7", &token)).await
}

/// The number of subscriptions in the item of the only connection.
fn count(site: &Site) -> String {
    let items = site.aws.items::<Connections>();
    let own = items.iter().find(|item| item["job_id"]["S"] == "-");
    own.expect("a connection")["subscriptions"]["N"]
        .as_str()
        .expect("a number")
        .to_owned()
}

#[tokio::test]
async fn token_of_the_owner_subscribes_to_the_feed_and_unsubscribes() {
    let site = site().await;

    let subscribed = watch(&site, "c1").await;

    assert_eq!(types(&subscribed), ["owner_subscribed"]);
    assert_eq!(subscribed[0]["owner"], "user-7");
    assert_eq!(subscribed[0]["request_id"], "r1");
    let items = site.aws.items::<Subscribers>();
    assert_eq!(items[0]["job_id"]["S"], "#owner#user-7");
    assert_eq!(count(&site), "1");

    let unsubscribe = json!({ "type": "unsubscribe", "owner": "user-7" });
    for _ in 0..2 {
        let ended = site.send("c1", unsubscribe.clone()).await;
        assert_eq!(types(&ended), ["owner_unsubscribed"]);
        assert_eq!((site.subscribers(), count(&site).as_str()), (0, "0"));
    }
}

#[tokio::test]
async fn repeated_subscription_is_stored_once_and_writes_nothing() {
    let site = site().await;
    watch(&site, "c1").await;
    site.aws.calls().clear();

    assert_eq!(types(&watch(&site, "c1").await), ["owner_subscribed"]);

    let writes = site.aws.calls();
    assert_eq!(writes.count(|call| call.operation == "dynamodb:PutItem"), 0);
    assert_eq!((site.subscribers(), count(&site).as_str()), (1, "1"));
}

#[tokio::test]
async fn subscription_takes_the_labels_of_the_latest_token() {
    let site = site().await;
    watch(&site, "c1").await;
    let claim = json!({ "scopes": ["watch"], "labels": { "team": "blue" } });
    let blue = token(&site.clock, &json!({ "sub": "user-7", "stagecast": claim }));

    let answer = site.send("c1", subscribe("user-7", &blue)).await;

    assert_eq!(types(&answer), ["owner_subscribed"]);
    let items = site.aws.items::<Subscribers>();
    assert_eq!(items[0]["labels"]["M"]["team"]["S"], "blue");
    assert_eq!(count(&site), "1");
}

#[tokio::test]
async fn token_of_another_owner_job_or_scope_is_refused() {
    let site = site().await;
    let watch = token_of(&site.clock, "user-7", &["watch"]);
    let cancel = token_of(&site.clock, "user-7", &["cancel"]);
    let claim = json!({ "scopes": ["watch"], "job": "job_20240115_ab" });
    let one_job = token(&site.clock, &json!({ "sub": "user-7", "stagecast": claim }));
    for (owner, token, detail, value) in [
        ("user-8", &watch, "limit", "owner"),
        ("user-7", &cancel, "scope", "watch"),
        ("user-7", &one_job, "limit", "job"),
    ] {
        let refused = site.send("c1", subscribe(owner, token)).await;
        assert_eq!(error(&refused), "token_forbidden", "{value}");
        assert_eq!(refused[0]["details"][detail], value);
    }
    let without = json!({ "type": "subscribe", "owner": "user-7" });
    let refused = site.send("c1", without).await;
    assert_eq!(error(&refused), "invalid_message");
    assert_eq!(refused[0]["details"]["field"], "token");
    assert_eq!(site.subscribers(), 0);
}

#[tokio::test]
async fn feed_counts_as_a_subscription_of_the_connection() {
    let aws = TestAws::of(project());
    let site = Site::on(aws, &[("MAX_SUBSCRIPTIONS", "1")]);
    site.connect("c1", &[]).await;
    watch(&site, "c1").await;
    let token = token_of(&site.clock, "user-8", &["watch"]);

    let refused = site.send("c1", subscribe("user-8", &token)).await;

    assert_eq!(error(&refused), "too_many_subscriptions");
    assert_eq!(site.subscribers(), 1);
}

#[tokio::test]
async fn end_of_the_connection_ends_the_subscription() {
    let site = site().await;
    watch(&site, "c1").await;

    assert_eq!(site.disconnect("c1").await, 200);

    assert_eq!((site.connections(), site.subscribers()), (0, 0));
}

#[tokio::test]
async fn activity_of_the_client_renews_the_subscription() {
    let site = site().await;
    watch(&site, "c1").await;
    site.clock.advance(1801);

    site.send("c1", json!({ "type": "ping" })).await;

    let expires_at = site.clock.now().plus_seconds(3600).epoch_seconds();
    let items = site.aws.items::<Subscribers>();
    assert_eq!(items[0]["expires_at"]["N"], expires_at.to_string());
}

#[tokio::test]
async fn newer_token_extends_the_subscription_if_it_permits_all_jobs_of_the_feed() {
    let site = site().await;
    let first = watch(&site, "c1").await;
    let expires_at = |site: &Site| {
        let items = site.aws.items::<Subscribers>();
        items[0]["token_access"]["M"]["expires_at"]["N"].clone()
    };
    let before = expires_at(&site);
    site.clock.advance(60);
    let limited = json!({ "scopes": ["watch"], "labels": { "team": "blue" } });
    let limited = token(
        &site.clock,
        &json!({ "sub": "user-7", "stagecast": limited }),
    );
    let newer = token_of(&site.clock, "user-7", &["watch"]);
    for (token, extended) in [(limited, 0), (newer, 1)] {
        let message = json!({ "type": "authenticate", "token": token });
        let answer = site.send("c1", message).await;
        assert_eq!(answer[0]["subscriptions"], extended, "{answer:?}");
        assert_eq!(expires_at(&site) == before, extended == 0);
    }
    assert!(first[0]["token_expires_at"].is_string(), "{first:?}");
}
