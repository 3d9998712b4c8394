//! Measures posts a second: the functions' sender, and a bare client that posts the same bytes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use anyhow::{bail, ensure};
use bytes::Bytes;
use granted_aws::{Aws, ConnectionsApi, Database, Environment, Post, Queues};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};
use stagecast_contract::{
    functions::DeliveryFunction, ids::CorrelationId, ids::JobId, timestamp::Timestamp,
};
use stagecast_core::{
    clock::Clock,
    delivery::{ConnectionMaintainer, Outgoing, Sender},
    models::Subscriber,
    retry::RetryPolicy,
    stores::ConnectionStore,
};

/// The number of concurrent posts, equal to the sender's own limit.
const CONCURRENT_POSTS: usize = 128;

/// The posted message, a typical progress update.
pub(crate) const MESSAGE: &str = concat!(
    r#"{"type":"progress_update","job_id":"job_20260115_c48aaa009a75971f","stage":"stage_1","#,
    r#""progress":50,"message":"Detecting walls...","estimated_seconds_remaining":15,"#,
    r#""timestamp":"2026-01-15T10:30:15Z","seq":3,"#,
    r#""correlation_id":"corr_1705314615_c48aaa009a75971f","overall_progress":25}"#,
);

/// Posts `messages` messages to each of `connections` connections at the server `address`, on one thread
/// as in the delivery function.
pub(crate) fn measure(
    sender: &str,
    address: &str,
    connections: usize,
    messages: usize,
) -> anyhow::Result<Value> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let before = resident_bytes()?;
    let seconds = match sender {
        "ours" => runtime.block_on(async {
            let (aws, environment) = function().await?;
            let post = ConnectionsApi::new(&aws, &environment).for_audiences();
            ours(post, &aws, &environment, connections, messages).await
        })?,
        "sdk" => runtime.block_on(async {
            let (aws, environment) = function().await?;
            let post = ConnectionsApi::new(&aws, &environment);
            ours(post, &aws, &environment, connections, messages).await
        })?,
        "hyper" => runtime.block_on(bare(address, connections, messages))?,
        _ => bail!("unknown sender {sender:?}"),
    };
    Ok(json!({
        "seconds": seconds,
        "posts": connections * messages,
        "grown_bytes": resident_bytes()?.saturating_sub(before),
    }))
}

/// The path of a post, as on the local stack.
pub(crate) fn path(connection_id: &str) -> String {
    format!("/_aws/execute-api/api/live/@connections/{connection_id}")
}

fn connection_id(index: usize) -> String {
    format!("BFHPhf{index:06}AMCKlQ")
}

/// The configuration and the environment of a function. `AWS_ENDPOINT_URL` is the sink's address.
async fn function() -> anyhow::Result<(Aws, Environment<DeliveryFunction>)> {
    let environment = Environment::read(|name| {
        Some(match name {
            "WEBSOCKET_API_ID" => "api".to_owned(),
            "WEBSOCKET_STAGE" => "live".to_owned(),
            other => other.to_lowercase(),
        })
    })?;
    Ok((granted_aws::load().await, environment))
}

/// Measures the functions' sender with one of their clients.
async fn ours(
    post: impl Post + 'static,
    aws: &Aws,
    environment: &Environment<DeliveryFunction>,
    connections: usize,
    messages: usize,
) -> anyhow::Result<f64> {
    let clock = Clock::system();
    let store = ConnectionStore::new(Database::new(aws, environment), clock.clone());
    let sender = Sender::new(
        post,
        ConnectionMaintainer::new(store, Queues::new(aws, environment)),
        RetryPolicy::post::<DeliveryFunction>(),
        clock.clone(),
    );
    let now = clock.now();
    // A typical age: posts to new subscriptions are delayed, and old ones are renewed.
    let since = now.plus_seconds(-60);
    let job_id = JobId::new(now, [7; 8]);
    let subscribers: Vec<_> = (0..connections)
        .map(|index| subscriber(connection_id(index), &job_id, since))
        .collect();
    // Open the connections to the sink before the measurement.
    send(&sender, &subscribers, 1..2).await;
    let start = Instant::now();
    let sent = send(&sender, &subscribers, 2..messages + 2).await;
    let seconds = start.elapsed().as_secs_f64();
    ensure!(sent == (connections * messages) as u64, "{sent} were sent");
    Ok(seconds)
}

fn subscriber(connection_id: String, job_id: &JobId, since: Timestamp) -> Subscriber {
    Subscriber {
        job_id: job_id.clone(),
        connection_id,
        connected_at: since,
        subscribed_at: since,
        at_seq: 0,
        correlation_id: CorrelationId::new(since, [7; 8]),
        expires_at: since.plus_seconds(3600).epoch_seconds(),
        token: None,
        feed: None,
    }
}

async fn send(
    sender: &Sender<impl Post + 'static, ConnectionMaintainer<DeliveryFunction>>,
    subscribers: &[Subscriber],
    seqs: std::ops::Range<usize>,
) -> u64 {
    let message = Bytes::from_static(MESSAGE.as_bytes());
    for seq in seqs {
        for subscriber in subscribers {
            let outgoing = Outgoing::Durable {
                seq: seq as u64,
                message: message.clone(),
            };
            sender.send(subscriber, outgoing);
        }
    }
    sender.flush().await.sent
}

/// Measures a minimal client: no signatures, no retries, no order.
async fn bare(address: &str, connections: usize, messages: usize) -> anyhow::Result<f64> {
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let paths: Arc<Vec<String>> = Arc::new(
        (0..connections)
            .map(|index| format!("http://{address}{}", path(&connection_id(index))))
            .collect(),
    );
    post_all(&client, &paths, paths.len()).await?;
    let start = Instant::now();
    post_all(&client, &paths, connections * messages).await?;
    Ok(start.elapsed().as_secs_f64())
}

async fn post_all(
    client: &Client<hyper_util::client::legacy::connect::HttpConnector, Full<Bytes>>,
    paths: &Arc<Vec<String>>,
    posts: usize,
) -> anyhow::Result<()> {
    let next = Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (0..CONCURRENT_POSTS)
        .map(|_| {
            let (client, paths, next) = (client.clone(), Arc::clone(paths), Arc::clone(&next));
            tokio::spawn(async move {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= posts {
                        return anyhow::Ok(());
                    }
                    let request = Request::post(&paths[index % paths.len()])
                        .header("content-type", "application/octet-stream")
                        .body(Full::new(Bytes::from_static(MESSAGE.as_bytes())))?;
                    let response = client.request(request).await?;
                    ensure!(response.status() == StatusCode::OK, "{}", response.status());
                    response.into_body().collect().await?;
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await??;
    }
    Ok(())
}

/// The resident memory of this process, in bytes.
pub(crate) fn resident_bytes() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    Ok(kilobytes.unwrap_or_default().parse::<u64>()? * 1024)
}
