//! What the clients of Secrets Manager and SSM Parameter Store have in common.

use std::{sync::Arc, time::Duration};

use aws_config::SdkConfig;
use tokio::sync::OnceCell;
use typed_contract::functions::Function;

use crate::{Environment, LazyAws, SecretError, SecretValue, secret_cache::SecretCache};

/// A service that returns values by name.
pub(crate) trait SecretService: Sized {
    fn new(config: &SdkConfig) -> Self;

    /// The value of the secret or parameter with this name.
    async fn read(&self, name: &str) -> Result<SecretValue, SecretError>;
}

/// The values of a service `C`, whose names are in the environment of the function `F`. Clones share the
/// values.
#[derive(Debug)]
pub(crate) struct SecretStore<F, C> {
    source: LazyAws,
    client: Arc<OnceCell<C>>,
    cache: SecretCache,
    environment: Environment<F>,
}

impl<F, C> Clone for SecretStore<F, C> {
    fn clone(&self) -> Self {
        Self {
            source: self.source.clone(),
            client: Arc::clone(&self.client),
            cache: self.cache.clone(),
            environment: self.environment.clone(),
        }
    }
}

impl<F: Function, C: SecretService> SecretStore<F, C> {
    pub(crate) fn new(source: LazyAws, environment: &Environment<F>) -> Self {
        Self {
            source,
            client: Arc::default(),
            cache: SecretCache::default(),
            environment: environment.clone(),
        }
    }

    pub(crate) fn with_time_to_live(self, time_to_live: Duration) -> Self {
        Self {
            cache: self.cache.with_time_to_live(time_to_live),
            ..self
        }
    }

    /// The value whose name is in the environment variable `variable`.
    pub(crate) async fn get(&self, variable: &str) -> Result<SecretValue, SecretError> {
        let name = self.environment.value(variable);
        self.cache.get(name, Box::pin(self.read(name))).await
    }

    /// The value after a service has rejected `rejected`.
    pub(crate) async fn refresh(
        &self,
        variable: &str,
        rejected: &SecretValue,
    ) -> Result<SecretValue, SecretError> {
        let name = self.environment.value(variable);
        let read = Box::pin(self.read(name));
        self.cache.replace(name, rejected, read).await
    }

    async fn read(&self, name: &str) -> Result<SecretValue, SecretError> {
        let client = self
            .client
            .get_or_init(async || C::new(self.source.get().await))
            .await;
        client.read(name).await
    }
}
