//! The subscribers of a job: measure the latency of each message.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use futures_util::{StreamExt as _, future::try_join_all, stream};
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::mpsc};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

use crate::{stack::StackAddresses, stages::LapTimes, wall_clock::nanoseconds};

/// The number of connections opened concurrently.
const CONCURRENT_CONNECTS: usize = 16;
/// The number of messages of the comparison.
const BARE_MESSAGES: usize = 20;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Http = Client<HttpConnector, Full<Bytes>>;

/// The latencies of the received messages, in nanoseconds.
#[derive(Debug, Default)]
struct Latencies {
    progress: Vec<u64>,
    durable: Vec<u64>,
    bare: Vec<u64>,
}

/// Runs a job with an audience of this size to its end. Returns the latencies and the stages' measurements.
pub(crate) fn measure(stack: &str, audience: usize, go: &str) -> anyhow::Result<Value> {
    let addresses: StackAddresses = serde_json::from_str(stack)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run(&addresses, audience, go.into()))
}

async fn run(addresses: &StackAddresses, audience: usize, go: PathBuf) -> anyhow::Result<Value> {
    let http: Http = Client::builder(TokioExecutor::new()).build_http();
    let job = create_job(&http, addresses).await?;
    let (job_id, key) = (text(&job, "job_id")?, text(&job, "access_key")?);
    let url = format!(
        "{}?job_id={job_id}&access_key={key}",
        addresses.urls.websocket
    );
    let sockets: Vec<_> = stream::iter(0..audience)
        .map(|_| connect_async(&url))
        .buffer_unordered(CONCURRENT_CONNECTS)
        .collect()
        .await;
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let mut clients = Vec::new();
    for (index, socket) in sockets.into_iter().enumerate() {
        let (socket, _) = socket?;
        // One subscriber collects the stages' measurements.
        let keep = (index == 0).then(Vec::new);
        clients.push(tokio::spawn(watch(socket, arrived.clone(), keep)));
    }
    let bare = post_bare(&http, addresses, &job_id, &mut arrivals).await?;
    std::fs::write(&go, "")?;
    let mut seen = Latencies {
        bare,
        ..Latencies::default()
    };
    let mut laps = Vec::new();
    for client in try_join_all(clients).await? {
        let (mut its, its_laps) = client?;
        seen.progress.append(&mut its.progress);
        seen.durable.append(&mut its.durable);
        laps.extend(its_laps);
    }
    Ok(json!({
        "progress": seen.progress,
        "durable": seen.durable,
        "bare": seen.bare,
        "laps": laps,
    }))
}

async fn create_job(http: &Http, addresses: &StackAddresses) -> anyhow::Result<Value> {
    let request = Request::post(format!("{}/v1/jobs", addresses.urls.http_api))
        .header("content-type", "image/png")
        .body(Full::new(Bytes::from_static(b"\x89PNG\r\n\x1a\n")))?;
    let answer = http.request(request).await?;
    let body = answer.into_body().collect().await?.to_bytes();
    serde_json::from_slice(&body).with_context(|| format!("{body:?}"))
}

/// Records the latency of each message until the job ends.
async fn watch(
    mut socket: Socket,
    arrived: mpsc::UnboundedSender<u64>,
    mut keep: Option<Vec<LapTimes>>,
) -> anyhow::Result<(Latencies, Vec<LapTimes>)> {
    let mut seen = Latencies::default();
    loop {
        let frame = socket.next().await.context("the connection has ended")??;
        let now = nanoseconds();
        let Message::Text(frame) = frame else {
            continue;
        };
        let message: Value = serde_json::from_str(&frame)?;
        let took = |since: u64| now.saturating_sub(since);
        match message["type"].as_str().unwrap_or_default() {
            "bare" => {
                let since = message["message"].as_str().unwrap_or_default().parse()?;
                arrived.send(took(since))?;
            }
            "progress_update" => {
                // The runner's own messages have no time.
                if let Ok(since) = message["message"].as_str().unwrap_or_default().parse() {
                    seen.progress.push(took(since));
                }
            }
            "stage_complete" => {
                let lap: LapTimes = serde_json::from_value(message["results"].clone())?;
                if message["stage"] != "gathering" {
                    seen.durable.push(took(lap.ended));
                }
                if let Some(laps) = &mut keep {
                    laps.push(lap);
                }
            }
            "job_complete" => break,
            "job_failed" | "job_cancelled" => anyhow::bail!("{message}"),
            _ => {}
        }
    }
    socket.close(None).await?;
    Ok((seen, keep.unwrap_or_default()))
}

/// The baseline without the product: one write to a table, then posts of a message of the same length by a
/// bare client to the connections that the publisher posts to directly.
async fn post_bare(
    http: &Http,
    addresses: &StackAddresses,
    job_id: &str,
    arrivals: &mut mpsc::UnboundedReceiver<u64>,
) -> anyhow::Result<Vec<u64>> {
    let connections = Arc::new(connections(http, addresses, job_id).await?);
    let mut taken = Vec::new();
    for _ in 0..BARE_MESSAGES {
        let since = nanoseconds();
        write(http, addresses).await?;
        let filling = "x".repeat(crate::posts::MESSAGE.len().saturating_sub(60));
        let body = json!({ "type": "bare", "message": since.to_string(), "filling": filling });
        let body = Bytes::from(body.to_string());
        stream::iter(connections.iter())
            .map(|id| {
                let id = id.replace('=', "%3D");
                post(
                    http,
                    format!("{}/{id}", addresses.connections),
                    body.clone(),
                )
            })
            .buffer_unordered(128)
            .collect::<Vec<_>>()
            .await
            .into_iter()
            .collect::<Result<Vec<_>, _>>()?;
        for _ in connections.iter() {
            taken.push(arrivals.recv().await.context("a message arrives")?);
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    Ok(taken)
}

async fn post(http: &Http, uri: String, body: Bytes) -> anyhow::Result<()> {
    let answer = http
        .request(Request::post(uri).body(Full::new(body))?)
        .await?;
    ensure!(answer.status().is_success(), "{}", answer.status());
    answer.into_body().collect().await?;
    Ok(())
}

/// One conditional update of an item, as in a publish.
async fn write(http: &Http, addresses: &StackAddresses) -> anyhow::Result<()> {
    let update = json!({
        "TableName": addresses.jobs,
        "Key": { "job_id": { "S": "bench" } },
        "UpdateExpression": "SET progress = :progress, message = :message",
        "ConditionExpression": "attribute_not_exists(epoch)",
        "ExpressionAttributeValues": {
            ":progress": { "N": "50" },
            ":message": { "S": "Detecting walls..." },
        },
        "ReturnValues": "ALL_NEW",
    });
    dynamodb(http, addresses, "UpdateItem", &update).await?;
    Ok(())
}

/// The connections that the publisher posts to directly.
async fn connections(
    http: &Http,
    addresses: &StackAddresses,
    job_id: &str,
) -> anyhow::Result<Vec<String>> {
    let query = json!({
        "TableName": addresses.subscribers,
        "KeyConditionExpression": "job_id = :job_id",
        "ExpressionAttributeValues": { ":job_id": { "S": job_id } },
        "Limit": stagecast_contract::limits::MAX_DIRECT_SUBSCRIBERS,
    });
    let answer = dynamodb(http, addresses, "Query", &query).await?;
    let items = answer["Items"].as_array().context("items")?.iter();
    items
        .map(|item| text(&item["connection_id"], "S"))
        .collect()
}

async fn dynamodb(
    http: &Http,
    addresses: &StackAddresses,
    operation: &str,
    body: &Value,
) -> anyhow::Result<Value> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("{}/", addresses.urls.endpoint_url))
        .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
        .body(Full::new(Bytes::from(body.to_string())))?;
    let answer = http.request(request).await?;
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    ensure!(status.is_success(), "{operation}: {status}: {body:?}");
    Ok(serde_json::from_slice(&body)?)
}

fn text(value: &Value, name: &str) -> anyhow::Result<String> {
    let text = value[name].as_str();
    Ok(text
        .with_context(|| format!("{name} in {value}"))?
        .to_owned())
}
