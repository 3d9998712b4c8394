//! Opens connections to AWS during a function's initialization, before the first event.
//!
//! The first TLS handshake takes longer than the rest of the initialization, and Lambda gives a function
//! more processor time while it initializes.

use std::{collections::BTreeSet, time::Duration};

use aws_sdk_dynamodb::config::endpoint::{DefaultResolver, Params, ResolveEndpoint as _};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector as _, SharedHttpConnector},
    orchestrator::HttpRequest,
};
use aws_smithy_types::byte_stream::ByteStream;
use futures_util::future::join_all;
use typed_contract::{functions::Function, grants::GrantedOn};

use crate::{Aws, Environment, connections};

/// Longest time that the initialization waits for connections. It goes on without those that fail.
const LIMIT: Duration = Duration::from_millis(200);

/// A path that every AWS endpoint serves without credentials and without cost.
const PATH: &str = "/ping";

impl Aws {
    /// Connects to DynamoDB and `@connections` if the function `F` has a grant on them. Errors are
    /// ignored: the first event fails, and logs why, if they persist.
    pub async fn warm<F: Function>(&self, environment: &Environment<F>) {
        let mut endpoints = BTreeSet::new();
        for grant in F::SPEC.grants {
            match grant.on {
                GrantedOn::Table(_) | GrantedOn::Index(..) => {
                    endpoints.extend(self.dynamodb().await);
                }
                GrantedOn::Connections(_) => {
                    endpoints.insert(connections::endpoint(&self.config, environment));
                }
                GrantedOn::Queue(_)
                | GrantedOn::Bucket(_)
                | GrantedOn::Secret(_)
                | GrantedOn::Parameter(_)
                | GrantedOn::External(_) => {}
            }
        }
        let origins = endpoints.iter().filter_map(|endpoint| origin(endpoint));
        touch(&self.connector, origins.collect(), LIMIT).await;
    }

    async fn dynamodb(&self) -> Option<String> {
        let params = Params::builder()
            .set_region(self.config.region().map(ToString::to_string))
            .set_endpoint(self.config.endpoint_url().map(str::to_owned))
            .build()
            .ok()?;
        let endpoint = DefaultResolver::new().resolve_endpoint(&params).await;
        Some(endpoint.ok()?.url().to_owned())
    }
}

/// The origin of a URL: `https://host:port`.
fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split('/').next()?;
    Some(format!("{scheme}://{authority}"))
}

/// Sends a request to each origin concurrently. The connections stay open for later requests.
async fn touch(connector: &SharedHttpConnector, origins: BTreeSet<String>, limit: Duration) {
    let requests = origins.iter().map(async |origin| {
        let request = HttpRequest::get(format!("{origin}{PATH}")).ok()?;
        let answer = connector.call(request).await.ok()?;
        // A connection can be used again once the response has been read.
        ByteStream::new(answer.into_body()).collect().await.ok()
    });
    let _ = tokio::time::timeout(limit, join_all(requests)).await;
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
        sync::Barrier,
    };

    use super::*;
    use crate::config::connector;

    async fn server() -> (TcpListener, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        (listener, origin)
    }

    async fn read_request(stream: &mut TcpStream) {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        assert!(request.starts_with(b"GET /ping HTTP/1.1\r\n"));
    }

    async fn answer(stream: &mut TcpStream) {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nhealthy";
        stream.write_all(answer).await.unwrap();
    }

    #[tokio::test]
    async fn endpoints_are_connected_concurrently() {
        let (one, other) = (server().await, server().await);
        let origins = BTreeSet::from([one.1, other.1]);
        // Neither responds before both have received a request.
        let both = Barrier::new(2);
        let serve = async |listener: TcpListener| {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_request(&mut stream).await;
            both.wait().await;
            answer(&mut stream).await;
        };
        let connector = connector();
        tokio::join!(
            touch(&connector, origins, Duration::MAX),
            serve(one.0),
            serve(other.0)
        );
    }

    #[tokio::test]
    async fn later_request_uses_the_open_connection() {
        let (listener, origin) = server().await;
        let connector = connector();
        let origins = BTreeSet::from([origin]);
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            for _ in 0..2 {
                read_request(&mut stream).await;
                answer(&mut stream).await;
            }
        };
        tokio::join!(serve, async {
            touch(&connector, origins.clone(), Duration::MAX).await;
            touch(&connector, origins, Duration::MAX).await;
        });
    }

    #[tokio::test(start_paused = true)]
    async fn initialization_goes_on_when_no_endpoint_responds() {
        let (silent, origin) = server().await;
        let (closed, refusing) = server().await;
        drop(closed);
        touch(&connector(), BTreeSet::from([origin, refusing]), LIMIT).await;
        drop(silent);
    }

    #[test]
    fn origin_of_an_endpoint_has_no_path() {
        let endpoint = "https://abc.execute-api.us-east-1.amazonaws.com/live";
        let host = "https://abc.execute-api.us-east-1.amazonaws.com";
        assert_eq!(origin(endpoint).as_deref(), Some(host));
        assert_eq!(
            origin("http://127.0.0.1:4800").as_deref(),
            Some("http://127.0.0.1:4800")
        );
        assert_eq!(origin("nonsense"), None);
    }
}
