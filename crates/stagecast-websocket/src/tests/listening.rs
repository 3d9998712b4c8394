//! `listen` and `stop_listening`.

use local_aws::Fault;
use serde_json::{Value, json as message};
use stagecast_contract::{
    functions::WebSocketFunction,
    ids::WorkerToken,
    limits::CONNECTION_TTL_SECONDS,
    tables::{Connections, WorkQueues},
};
use stagecast_testing::fixtures;

use super::{Site, error, types};

/// A function of a product with these queues, and a token of the queue `plans`.
async fn site() -> (Site, WorkerToken) {
    let site = Site::with(&[("WORKER_QUEUES", "plans,gpu"), ("MAX_SUBSCRIPTIONS", "2")]);
    let token = fixtures::worker_token(&site.aws, &site.clock, Some(&["plans"])).await;
    site.connect("c1", &[]).await;
    (site, token)
}

fn listen(queue: &str, token: &WorkerToken) -> Value {
    message!({"type": "listen", "queue": queue, "worker_token": token.reveal(), "request_id": "mine"})
}

fn stop(queue: &str) -> Value {
    message!({"type": "stop_listening", "queue": queue})
}

/// Arms the listener, as a claim that finds the queue `plans` empty.
async fn arm(site: &Site, listener: &str) {
    let stores = fixtures::stores::<WebSocketFunction>(&site.aws, &site.clock);
    let queue = "plans".parse().expect("a name");
    let armed = stores.listeners.arm(&queue, listener).await;
    assert!(armed.expect("the listener can be armed"), "{listener}");
}

/// The items of listeners in their queues.
fn listeners(site: &Site) -> Vec<Value> {
    let mut items = site.aws.items::<WorkQueues>();
    items.retain(|item| !item["is_armed"].is_null());
    items
}

/// The item of the connection itself.
fn connection(site: &Site) -> Value {
    let mut items = site.aws.items::<Connections>();
    items.retain(|item| !item["listeners"].is_null());
    assert_eq!(items.len(), 1, "{items:?}");
    items.remove(0)
}

#[tokio::test]
async fn listener_is_stored_disarmed_and_its_id_arms_it() {
    let (site, token) = site().await;

    let replies = site.send("c1", listen("plans", &token)).await;

    assert_eq!(types(&replies), ["listening"]);
    assert_eq!(replies[0]["queue"], "plans");
    assert_eq!(replies[0]["request_id"], "mine");
    let stored = listeners(&site);
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0]["is_armed"]["BOOL"], false);
    assert_eq!(connection(&site)["listeners"]["N"], "1");
    let id = replies[0]["listener"].as_str().expect("an id");
    arm(&site, id).await;
    assert_eq!(listeners(&site)[0]["is_armed"]["BOOL"], true);
}

#[tokio::test]
async fn repeated_listen_disarms_the_listener_and_counts_once() {
    let (site, token) = site().await;
    let first = site.send("c1", listen("plans", &token)).await;
    let id = first[0]["listener"].as_str().expect("an id");
    arm(&site, id).await;

    let again = site.send("c1", listen("plans", &token)).await;

    assert_eq!(again[0]["listener"], first[0]["listener"]);
    assert_eq!(listeners(&site)[0]["is_armed"]["BOOL"], false);
    assert_eq!(connection(&site)["listeners"]["N"], "1");
}

#[tokio::test]
async fn token_is_checked_before_the_queue() {
    let (site, token) = site().await;
    let id = token.id().expect("a valid token");
    let wrong = WorkerToken::from_client(format!("stw_{id}_{}", "09".repeat(16)));
    let unknown = WorkerToken::new([9; 8], [9; 16]);
    let malformed = WorkerToken::from_client("stw_1_2");

    for (queue, token, code) in [
        ("plans", &wrong, "invalid_worker_token"),
        ("plans", &unknown, "invalid_worker_token"),
        ("plans", &malformed, "invalid_worker_token"),
        ("nosuch", &unknown, "invalid_worker_token"),
        ("nosuch", &token, "unknown_queue"),
        ("gpu", &token, "queue_forbidden"),
        ("default", &token, "invalid_message"),
    ] {
        let replies = site.send("c1", listen(queue, token)).await;
        assert_eq!(error(&replies), code, "{queue} {token:?}");
        let text = replies[0].to_string();
        assert!(!text.contains(token.reveal()), "{text}");
    }
    assert!(listeners(&site).is_empty());
    assert_eq!(connection(&site)["listeners"]["N"], "0");
}

#[tokio::test]
async fn connection_listens_to_a_limited_number_of_queues() {
    let site = Site::with(&[("WORKER_QUEUES", "a,b,c"), ("MAX_SUBSCRIPTIONS", "2")]);
    let token = fixtures::worker_token(&site.aws, &site.clock, Some(&["a", "b", "c"])).await;
    site.connect("c1", &[]).await;
    for queue in ["a", "b"] {
        let replies = site.send("c1", listen(queue, &token)).await;
        assert_eq!(types(&replies), ["listening"]);
    }

    let refused = site.send("c1", listen("c", &token)).await;
    site.send("c1", stop("a")).await;
    let accepted = site.send("c1", listen("c", &token)).await;

    assert_eq!(error(&refused), "too_many_subscriptions");
    assert_eq!(refused[0]["details"]["max_subscriptions"], 2);
    assert_eq!(types(&accepted), ["listening"]);
    assert_eq!(connection(&site)["listeners"]["N"], "2");
}

#[tokio::test]
async fn stop_listening_deletes_the_listener_and_may_be_repeated() {
    let (site, token) = site().await;
    site.send("c1", listen("plans", &token)).await;

    let first = site.send("c1", stop("plans")).await;
    let again = site.send("c1", stop("plans")).await;

    assert_eq!(types(&first), ["stopped_listening"]);
    assert_eq!(types(&again), ["stopped_listening"]);
    assert!(listeners(&site).is_empty());
    assert_eq!(connection(&site)["listeners"]["N"], "0");
    assert_eq!(site.connections(), 1);
}

#[tokio::test]
async fn disconnect_deletes_the_listeners_of_the_connection_only() {
    let (site, token) = site().await;
    site.connect("c2", &[]).await;
    for connection in ["c1", "c2"] {
        site.send(connection, listen("plans", &token)).await;
    }

    site.disconnect("c1").await;

    let left = listeners(&site);
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["connection_id"]["S"], "c2");
    let is_of_c1 = |item: &Value| item["connection_id"]["S"] == "c1";
    assert!(!site.aws.items::<Connections>().iter().any(is_of_c1));
}

#[tokio::test]
async fn interrupted_disconnect_is_finished_by_the_next_one() {
    let (site, token) = site().await;
    site.send("c1", listen("plans", &token)).await;
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "dynamodb:DeleteItem" && call.resource == "work_queues"
    });

    let failed = site.disconnect("c1").await;
    let again = site.disconnect("c1").await;

    assert_eq!((failed, again), (500, 200));
    assert!(listeners(&site).is_empty());
    assert_eq!(site.connections(), 0);
}

#[tokio::test]
async fn reply_to_a_gone_worker_deletes_its_listener() {
    let (site, token) = site().await;
    site.send("c1", listen("plans", &token)).await;
    site.aws.disconnect("c1");
    site.clock.advance(60);

    site.send("c1", message!({"type": "ping"})).await;

    assert!(listeners(&site).is_empty());
    assert_eq!(site.connections(), 0);
}

#[tokio::test]
async fn pings_renew_the_listener_twice_an_hour() {
    let (site, token) = site().await;
    site.send("c1", listen("plans", &token)).await;
    let renewals = |site: &Site| {
        site.aws
            .calls()
            .count(|call| call.operation == "dynamodb:UpdateItem" && call.resource == "work_queues")
    };

    // Two hours of pings every 4 minutes.
    for _ in 0..30 {
        site.clock.advance(240);
        site.send("c1", message!({"type": "ping"})).await;
    }

    let expiry = listeners(&site)[0]["expires_at"]["N"].clone();
    let expiry: i64 = expiry
        .as_str()
        .and_then(|it| it.parse().ok())
        .expect("a number");
    let left = expiry - site.clock.now().epoch_seconds();
    assert!(left > CONNECTION_TTL_SECONDS / 2 - 240, "{left}");
    assert!((3..=4).contains(&renewals(&site)), "{}", renewals(&site));
    let items = site.aws.items::<Connections>();
    let of_queue = items
        .iter()
        .find(|item| item["job_id"]["S"] == "queue#plans");
    assert_eq!(
        of_queue.expect("the item")["expires_at"]["N"],
        expiry.to_string()
    );
}

#[tokio::test]
async fn listen_on_an_ended_connection_is_refused_and_stores_nothing() {
    let (site, token) = site().await;
    site.disconnect("c1").await;
    site.aws.connect("c1");

    let replies = site.send("c1", listen("plans", &token)).await;

    assert_eq!(error(&replies), "internal");
    assert!(listeners(&site).is_empty());
    assert_eq!(site.connections(), 0);
}

#[tokio::test]
async fn connections_with_listeners_can_subscribe_and_unsubscribe() {
    let (site, token) = site().await;
    let job = site.job(1).await;
    site.send("c1", listen("plans", &token)).await;

    let subscribed = site.send("c1", super::subscribe(&job)).await;
    site.clock.advance(CONNECTION_TTL_SECONDS / 2 + 60);
    let pong = site.send("c1", message!({"type": "ping"})).await;
    site.disconnect("c1").await;

    assert_eq!(types(&subscribed), ["subscribed"]);
    assert_eq!(types(&pong), ["pong"]);
    assert_eq!(site.connections() + site.subscribers(), 0);
    assert!(listeners(&site).is_empty());
}
