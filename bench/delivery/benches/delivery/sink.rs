//! A server that answers every post with 200, at once or after a delay.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;

/// Serves on one thread until the process is killed.
pub(crate) fn run(delay_millis: usize) -> anyhow::Result<()> {
    let delay = Duration::from_millis(delay_millis as u64);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        crate::print(&json!({ "address": listener.local_addr()?.to_string() }))?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let answer = service_fn(move |request| answer(request, delay));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    })
}

async fn answer(
    request: Request<Incoming>,
    delay: Duration,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    // The client expects the response only after the whole request was read.
    let _ = request.into_body().collect().await;
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    Ok(Response::new(Empty::new()))
}
