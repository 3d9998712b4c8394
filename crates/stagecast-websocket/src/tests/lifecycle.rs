//! `$connect` and `$disconnect`.

use serde_json::json;
use stagecast_contract::tables::{Connections, Subscribers};

use super::{Site, error, subscribe, types};

#[tokio::test]
async fn connection_is_stored_until_it_ends() {
    let site = Site::new();

    let status = site.connect("c1", &[]).await;
    let stored = site.connections();
    site.disconnect("c1").await;

    assert_eq!(status, 200);
    assert_eq!(stored, 1);
    assert_eq!(site.connections(), 0);
}

#[tokio::test]
async fn disconnect_deletes_every_subscription_of_the_connection() {
    let site = Site::new();
    site.connect("c1", &[]).await;
    site.connect("c2", &[]).await;
    for number in 1..=3 {
        let job = site.job(number).await;
        site.send("c1", subscribe(&job)).await;
        site.send("c2", subscribe(&job)).await;
    }

    site.disconnect("c1").await;

    let is_of_c1 = |item: &serde_json::Value| item["connection_id"]["S"] == "c1";
    assert!(!site.aws.items::<Connections>().iter().any(is_of_c1));
    assert!(!site.aws.items::<Subscribers>().iter().any(is_of_c1));
    assert_eq!(site.subscribers(), 3);
}

#[tokio::test]
async fn repeated_disconnect_succeeds() {
    let site = Site::new();
    site.connect("c1", &[]).await;

    site.disconnect("c1").await;

    assert_eq!(site.disconnect("c1").await, 200);
}

#[tokio::test]
async fn origin_that_is_not_allowed_is_refused() {
    let allowed = Site::with(&[(
        "ALLOWED_ORIGINS",
        "https://other.example, https://app.example",
    )]);
    let refused = Site::with(&[("ALLOWED_ORIGINS", "https://other.example")]);

    assert_eq!(allowed.connect("c1", &[]).await, 200);
    assert_eq!(refused.connect("c1", &[]).await, 403);
    assert_eq!(refused.connections(), 0);
}

#[tokio::test]
async fn subscription_in_the_url_is_confirmed_with_the_first_message() {
    let site = Site::new();
    let job = site.job(1).await;
    let query = [
        ("job_id", job.id.as_str()),
        ("access_key", job.access_key.reveal()),
    ];

    let status = site.connect("c1", &query).await;
    let before = site.aws.take_messages("c1");
    let replies = site.send("c1", json!({"type": "ping"})).await;
    let next = site.send("c1", json!({"type": "ping"})).await;

    assert_eq!(status, 200);
    assert!(before.is_empty());
    assert_eq!(types(&replies), ["subscribed", "pong"]);
    assert_eq!(types(&next), ["pong"]);
    assert_eq!(site.subscribers(), 1);
}

#[tokio::test]
async fn url_with_a_wrong_key_is_refused_and_leaves_nothing() {
    let site = Site::new();
    let job = site.job(1).await;
    let key = "0".repeat(32);

    let status = site
        .connect("c1", &[("job_id", job.id.as_str()), ("access_key", &key)])
        .await;

    assert_eq!(status, 403);
    assert_eq!(site.connections(), 0);
    assert_eq!(site.subscribers(), 0);
}

#[tokio::test]
async fn url_with_an_invalid_after_seq_is_refused() {
    let site = Site::new();
    let job = site.job(1).await;
    let query = [
        ("job_id", job.id.as_str()),
        ("access_key", job.access_key.reveal()),
        ("after_seq", "last"),
    ];

    assert_eq!(site.connect("c1", &query).await, 400);
    assert_eq!(site.connections(), 0);
}

#[tokio::test]
async fn message_after_the_disconnect_is_not_served() {
    let site = Site::new();
    let job = site.job(1).await;
    site.connect("c1", &[]).await;
    site.disconnect("c1").await;
    site.aws.connect("c1");

    let replies = site.send("c1", subscribe(&job)).await;

    assert_eq!(error(&replies), "internal");
    assert_eq!(site.connections(), 0);
}
