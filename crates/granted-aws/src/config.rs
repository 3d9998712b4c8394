//! The SDK configuration and the HTTP connector that all clients share.

use std::{ops::Deref, sync::Arc, time::Duration};

use aws_config::{BehaviorVersion, SdkConfig, timeout::TimeoutConfig};
use aws_smithy_http_client::{
    Connector,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::{
    HttpConnectorSettings, SharedHttpConnector, http_client_fn,
};
use tokio::sync::OnceCell;

/// Longest time to open a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The configuration that the clients of all AWS services are built from. Dereferences to the SDK's.
#[derive(Debug)]
pub struct Aws {
    pub(crate) config: SdkConfig,
    /// The HTTP connector of all clients, so that they share connections.
    pub(crate) connector: SharedHttpConnector,
}

impl Deref for Aws {
    type Target = SdkConfig;

    fn deref(&self) -> &SdkConfig {
        &self.config
    }
}

impl Aws {
    /// A configuration whose clients all send their requests with `connector`, such as one of a test.
    pub fn new(config: SdkConfig, connector: SharedHttpConnector) -> Self {
        let shared = connector.clone();
        let config = config.into_builder();
        let config = config.http_client(http_client_fn(move |_, _| shared.clone()));
        Self {
            config: config.build(),
            connector,
        }
    }

    /// The same connections with a changed configuration.
    #[must_use]
    pub fn change(self, change: impl FnOnce(SdkConfig) -> SdkConfig) -> Self {
        Self::new(change(self.config), self.connector)
    }

    /// The same configuration for clients that share no connection with the clients of `self`. A connection
    /// belongs to the tokio runtime on which it was opened, and waits when code blocks that runtime.
    #[must_use]
    pub fn with_separate_connections(&self) -> Self {
        Self::new(self.config.clone(), connector())
    }
}

/// Loads region, credentials and endpoint from the environment. All services share one HTTP client.
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

/// The configuration of clients that are created where nothing can be awaited, such as where a pipeline is
/// built: loaded at its first use, or before. Clones share it.
///
/// ```
/// # async fn example() {
/// use granted_aws::LazyAws;
///
/// let aws = LazyAws::default();
/// let config: &aws_config::SdkConfig = aws.get().await;
/// // The client of any service: aws_sdk_sns::Client::new(config)
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct LazyAws(Arc<OnceCell<SdkConfig>>);

impl LazyAws {
    /// The configuration, as [`load`] returns it unless it was given.
    pub async fn get(&self) -> &SdkConfig {
        self.0.get_or_init(async || load().await.config).await
    }
}

/// Loaded already, for example by a test.
impl From<SdkConfig> for LazyAws {
    fn from(config: SdkConfig) -> Self {
        Self(Arc::new(OnceCell::new_with(Some(config))))
    }
}

impl From<&SdkConfig> for LazyAws {
    fn from(config: &SdkConfig) -> Self {
        config.clone().into()
    }
}

impl From<Aws> for LazyAws {
    fn from(aws: Aws) -> Self {
        aws.config.into()
    }
}

impl From<&Aws> for LazyAws {
    fn from(aws: &Aws) -> Self {
        aws.config.clone().into()
    }
}

impl From<&LazyAws> for LazyAws {
    fn from(aws: &LazyAws) -> Self {
        aws.clone()
    }
}

/// Builds the connector with `ring`, which starts faster than AWS-LC and compiles without `CMake`; the
/// SDK's default would link a second TLS stack. It is built once, because each connector reads all
/// root certificates of the machine, and the SDK would build one per client to validate itself.
pub(crate) fn connector() -> SharedHttpConnector {
    let settings = HttpConnectorSettings::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .build();
    let connector = Connector::builder()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .connector_settings(settings)
        .build();
    SharedHttpConnector::new(connector)
}
