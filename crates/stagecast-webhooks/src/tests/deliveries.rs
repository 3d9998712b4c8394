//! What a receiver gets, and which messages are not posted.

use serde_json::Value;
use stagecast_contract::{
    timestamp::Timestamp,
    webhooks::{JobWebhook, WebhookEvent, WebhookRules},
};
use stagecast_testing::{fixtures::START, webhooks::Receiver};

use super::{KEY, Site, message, set_secret};
use crate::signature::SigningKeys;

#[tokio::test]
async fn receiver_gets_the_logged_message_signed() {
    let site = Site::new([]).await;
    let job = site.completed_job().await;
    site.clock.advance(90);
    assert!(!site.attempt(&job, 2, 1).await);

    let received = site.receiver.received();
    let [post] = &received[..] else {
        panic!("{received:?}");
    };
    assert_eq!(post.line, "POST /hook?from=test HTTP/1.1");
    let header = |name: &str| post.headers[name].as_str();
    assert_eq!(header("content-type"), "application/json");
    let id = format!("{}-2", job.id);
    assert_eq!(header("webhook-id"), id);
    let sent_at = Timestamp::from_epoch_seconds(START.epoch_seconds() + 90);
    let seconds = sent_at.epoch_seconds().to_string();
    assert_eq!(header("webhook-timestamp"), seconds);
    let keys = SigningKeys::parse(KEY).expect("a key");
    let signature = keys.sign(&id, sent_at, post.body.as_bytes());
    assert_eq!(header("webhook-signature"), signature);
    let body: Value = serde_json::from_str(&post.body).expect("JSON");
    assert_eq!(body["type"], "job_complete");
    assert_eq!(body["timestamp"], START.to_string());
    assert_eq!(body["data"]["type"], "job_complete");
    assert_eq!(body["data"]["job_id"], job.id.as_str());
    assert_eq!(body["data"]["seq"], 2);
}

#[tokio::test]
async fn repeated_webhook_has_the_same_id_and_body() {
    let site = Site::new([]).await;
    let job = site.completed_job().await;
    for seconds in [0, 3600] {
        site.clock.advance(seconds);
        assert!(!site.attempt(&job, 2, 1).await);
    }
    let received = site.receiver.received();
    assert_eq!(
        received[0].headers["webhook-id"],
        received[1].headers["webhook-id"]
    );
    assert_eq!(received[0].body, received[1].body);
    assert_ne!(
        received[0].headers["webhook-timestamp"],
        received[1].headers["webhook-timestamp"]
    );
}

#[tokio::test]
async fn both_keys_sign_during_a_rotation() {
    let site = Site::new([]).await;
    set_secret(&site.aws, &format!("whsec_{} {KEY}", "A".repeat(32)));
    let job = site.completed_job().await;
    assert!(!site.attempt(&job, 2, 1).await);
    let signature = site.receiver.received()[0].headers["webhook-signature"].clone();
    let signatures: Vec<_> = signature.split(' ').collect();
    assert_eq!(signatures.len(), 2, "{signature}");
    assert!(signatures.iter().all(|it| it.starts_with("v1,")));
}

#[tokio::test]
async fn what_is_no_webhook_of_the_job_is_dropped() {
    let site = Site::new([]).await;
    let job = site.completed_job().await;
    // An event that was not chosen, and one that is not committed.
    for seq in [1, 3] {
        assert!(!site.attempt(&job, seq, 1).await, "{seq}");
    }
    let mut unknown = job.clone();
    unknown.id = "job_20240115_unknown".parse().expect("an id");
    assert!(!site.attempt(&unknown, 1, 1).await);
    assert!(site.receiver.received().is_empty());
    // The chosen one is posted.
    assert!(!site.attempt(&job, 2, 1).await);
    assert_eq!(site.receiver.received().len(), 1);
}

#[tokio::test]
async fn job_without_a_permitted_url_keeps_its_webhook() {
    let receiver = Receiver::replying([]).await;
    let site = Site::with_rules(receiver, &WebhookRules::default());
    let job = site.completed_job().await;
    assert!(site.attempt(&job, 2, 1).await);
    assert_eq!(site.hidden(), 1);
}

#[tokio::test]
async fn url_of_the_job_is_used_while_the_environment_permits_its_host() {
    let site = Site::new([]).await;
    let other = Receiver::replying([]).await;
    let webhook = JobWebhook {
        url: Some(other.url().parse().expect("a URL")),
        events: WebhookEvent::TERMINAL.to_vec(),
    };
    let job = site.completed_job_with(webhook).await;
    assert!(!site.attempt(&job, 2, 1).await);
    assert_eq!(
        (site.receiver.received().len(), other.received().len()),
        (0, 1)
    );
}

#[tokio::test]
async fn invalid_message_of_the_queue_stays_there() {
    let site = Site::new([]).await;
    let job = site.completed_job().await;
    let mut invalid = message(&job, 2, 1);
    invalid.body = Some("{}".to_owned());
    assert_eq!(site.receive(vec![invalid]).await, ["2"]);
}
