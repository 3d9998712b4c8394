//! Connects clients of the AWS SDK to services in the same process.

use std::sync::Arc;

use aws_smithy_runtime_api::{
    client::{
        http::{
            HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector,
            http_client_fn,
        },
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
    },
    http::Response,
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body_util::BodyExt as _;

use crate::{http_util::BoxError, in_process::InProcess};

/// The HTTP client of the AWS SDK that passes requests to `services` instead of the network.
///
/// The clients' configuration needs an endpoint URL, which may be any: no request goes there. The access key
/// id is the caller in recorded calls; the secret access key is [`InProcess::secret`].
///
/// ```
/// # async fn example(template: serde_json::Value) -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
///
/// use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
/// use local_aws::{InProcess, sdk_http_client};
///
/// let services = Arc::new(InProcess::open(&template, "shop")?);
/// let config = aws_sdk_sqs::Config::builder()
///     .behavior_version(BehaviorVersion::latest())
///     .endpoint_url("http://127.0.0.1")
///     .region(Region::from_static("us-east-1"))
///     .credentials_provider(Credentials::new("intake", services.secret(), None, None, "test"))
///     .http_client(sdk_http_client(services))
///     .build();
/// let queues = aws_sdk_sqs::Client::from_conf(config);
/// # Ok(())
/// # }
/// ```
pub fn sdk_http_client(services: Arc<InProcess>) -> SharedHttpClient {
    let connector = sdk_http_connector(services);
    http_client_fn(move |_, _| connector.clone())
}

/// The connector of [`sdk_http_client`], for code that sends requests itself.
pub fn sdk_http_connector(services: Arc<InProcess>) -> SharedHttpConnector {
    SharedHttpConnector::new(Connector(services))
}

#[derive(Debug)]
struct Connector(Arc<InProcess>);

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let services = Arc::clone(&self.0);
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().map_err(user)?;
            let (mut head, body) = request.into_parts();
            // HTTP clients add this header, and the signature covers it.
            if let Some(host) = head.uri.authority() {
                let host = host.as_str().parse().map_err(user)?;
                head.headers.entry(http::header::HOST).or_insert(host);
            }
            let body = body.collect().await.map_err(user)?.to_bytes();
            let request = http::Request::from_parts(head, body);
            let Some(response) = Box::pin(services.handle(request)).await else {
                return Err(ConnectorError::io("the response is lost".into()));
            };
            respond(response)
        })
    }
}

fn respond(response: http::Response<Bytes>) -> Result<HttpResponse, ConnectorError> {
    Response::try_from(response.map(SdkBody::from)).map_err(user)
}

fn user(error: impl Into<BoxError>) -> ConnectorError {
    ConnectorError::user(error.into())
}
