//! The configuration that all clients share, and the connections below it.

use std::{ops::Deref, time::Duration};

use aws_config::{BehaviorVersion, SdkConfig, timeout::TimeoutConfig};
use aws_smithy_http_client::{
    Connector,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::{
    HttpConnectorSettings, SharedHttpConnector, http_client_fn,
};

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// What every client of an AWS service is made from. To them it is the SDK's configuration.
#[derive(Debug)]
pub struct Aws {
    pub(super) config: SdkConfig,
    /// What all clients send their requests with, so that they share connections.
    pub(super) connector: SharedHttpConnector,
}

impl Deref for Aws {
    type Target = SdkConfig;

    fn deref(&self) -> &SdkConfig {
        &self.config
    }
}

/// Region, credentials and endpoint from the environment, one HTTP client for all services.
pub async fn load() -> Aws {
    let connector = connector();
    let shared = connector.clone();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(Duration::from_secs(5))
        .build();
    let config = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client_fn(move |_, _| shared.clone()))
        .timeout_config(timeouts)
        .load()
        .await;
    Aws { config, connector }
}

/// Made here because the SDK's default brings a second TLS stack; `ring` starts faster than AWS-LC
/// and compiles without a C toolchain's help. Made once, because each one reads all of the
/// machine's root certificates, and the SDK's own way makes one per client only to see that it can.
pub(super) fn connector() -> SharedHttpConnector {
    let settings = HttpConnectorSettings::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .build();
    let connector = Connector::builder()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .connector_settings(settings)
        .build();
    SharedHttpConnector::new(connector)
}
