//! Owner tokens on the whole system: keys at a URL, subscriptions that expire, and the Rust client.

use std::time::Duration;

use end_to_end::{
    Client, Job, System,
    worker::{Worker, progress, stage_complete},
};
use http::Method;
use serde_json::{Value, json};
use stagecast_client::{JobFilter, JobMessage, JobStatus, Tokens};
use stagecast_contract::{
    description::JOB_DESCRIPTION_TYPE,
    functions::{JobsFunction, WebSocketFunction},
};
use stagecast_core::clock::Clock;
use stagecast_testing::owner_tokens::{KeyServer, token_by};
use token_verifier::LEEWAY_SECONDS;
use typed_contract::functions::Function as _;

/// The system with the keys of this server.
async fn start(keys: &KeyServer) -> System {
    let setting = keys.setting();
    System::start_with(|options| {
        for function in [JobsFunction::SPEC, WebSocketFunction::SPEC] {
            let variables = options.environment.entry(function.name.to_owned());
            let variables = variables.or_default();
            variables.insert("OWNER_TOKENS".to_owned(), setting.clone());
        }
    })
    .await
}

/// A token of `user-7` by the key with this number, which is accepted for this many seconds.
fn token(key: u8, accepted_seconds: i64) -> String {
    let clock = Clock::system();
    let expires_at = clock.now().epoch_seconds() + accepted_seconds - LEEWAY_SECONDS;
    let scopes = ["create", "watch", "cancel"];
    let claims = json!({ "sub": "user-7", "exp": expires_at, "stagecast": { "scopes": scopes } });
    token_by(key, &clock, &claims)
}

/// A job of `user-7` for an external worker.
async fn create(system: &System) -> (Job, Worker) {
    let authorization = format!("Bearer {}", token(1, 300));
    let headers = [
        ("content-type", JOB_DESCRIPTION_TYPE),
        ("authorization", authorization.as_str()),
    ];
    let description = json!({ "worker": "external", "labels": { "team": "blue" } }).to_string();
    let created = system
        .http
        .request(Method::POST, "/v1/jobs", &headers, description)
        .await;
    assert_eq!(created.status, 202, "{:?}", created.body);
    let job = system.job(&created);
    let answer = created.json();
    let key = answer["worker_key"].as_str().expect("a worker key");
    let worker = Worker::new(&system.http, &job, key);
    (job, worker)
}

fn subscribe(job: &Job, token: &str) -> Value {
    json!({ "type": "subscribe", "job_id": job.id, "token": token })
}

/// Posts progress until the client receives the end of its subscription.
async fn until_expired(client: &mut Client, worker: &mut Worker) -> Value {
    let mut percent = 0;
    loop {
        percent = (percent + 1).min(99);
        worker.post_events(json!([progress("a", percent)])).await;
        let message = client.next().await.expect("a message");
        if message["type"] == "error" {
            return message;
        }
        assert_eq!(message["type"], "progress_update");
        // Fewer than 99 reports until the token has expired.
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

#[tokio::test]
async fn subscription_ends_with_its_token_unless_a_newer_one_extends_it() {
    let keys = KeyServer::start(&[1]);
    let system = start(&keys).await;
    let (job, mut worker) = create(&system).await;
    worker.claim(&["a"]).await;
    let mut expiring = system.connect().await;
    let mut extended = system.connect().await;
    let short = token(1, 8);
    for client in [&mut expiring, &mut extended] {
        let subscribed = client.ask(&subscribe(&job, &short), "subscribed").await;
        assert!(subscribed["token_expires_at"].is_string(), "{subscribed}");
    }
    let newer = json!({ "type": "authenticate", "token": token(1, 300) });
    let reply = extended.ask(&newer, "authenticated").await;
    assert_eq!(
        (&reply["owner"], &reply["subscriptions"]),
        (&json!("user-7"), &json!(1))
    );

    let notice = until_expired(&mut expiring, &mut worker).await;

    assert_eq!(notice["code"], "token_expired");
    assert_eq!(notice["details"]["job_id"], job.id.as_str());
    worker
        .post_events(json!([stage_complete("a", 1), { "type": "job_complete" }]))
        .await;
    let seen = extended.until_job_ends().await;
    assert!(
        seen.iter().all(|message| message["type"] != "error"),
        "{seen:?}"
    );
    // The connection is open, and the log has what was not sent.
    let again = subscribe(&job, &token(1, 300));
    expiring.ask(&again, "subscribed").await;
    let log = expiring.until_job_ends().await;
    let durable = log.iter().filter(|it| it["type"] != "progress_update");
    let seqs: Vec<_> = durable
        .filter_map(|message| message["seq"].as_u64())
        .collect();
    assert_eq!(seqs, [1, 2]);
    expiring.close().await;
    extended.close().await;
    system.finish().await;
}

#[tokio::test]
async fn rust_client_lists_and_watches_the_jobs_of_its_owner() {
    let keys = KeyServer::start(&[1]);
    let system = start(&keys).await;
    let (job, mut worker) = create(&system).await;
    let client = stagecast_client::Client::new(system.http.base()).expect("an address");
    let get = || async { Ok::<_, std::io::Error>(token(1, LEEWAY_SECONDS + 2)) };
    let client = client.with_tokens(Tokens::from_fn(get));

    let filter = JobFilter::new()
        .status(JobStatus::Queued)
        .label("team", "blue");
    let page = client.list(&filter, None).await.expect("a page");
    let [listed] = &page.jobs[..] else {
        panic!("one job is listed: {page:?}");
    };
    assert_eq!(
        (listed.job_id.as_str(), &page.next_cursor),
        (&*job.id, &None)
    );
    let url = Some(job.websocket_url.clone());
    let opened = client
        .job_of_owner(listed.job_id.clone(), url)
        .expect("tokens");
    let mut watch = opened.watch();
    worker.claim(&["a"]).await;
    worker
        .post_events(json!([stage_complete("a", 1), { "type": "job_complete" }]))
        .await;
    let mut durable = Vec::new();
    while let Some(message) = watch.next().await {
        durable.extend(Some(message.expect("a message")).filter(JobMessage::is_durable));
    }
    assert_eq!(
        durable.iter().map(JobMessage::seq).collect::<Vec<_>>(),
        [1, 2]
    );
    assert_eq!(
        opened
            .snapshot()
            .await
            .expect("a snapshot")
            .owner
            .as_deref(),
        Some("user-7")
    );
    opened.cancel().await.expect("a job that has ended");
    system.finish().await;
}
