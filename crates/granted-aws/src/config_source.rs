//! Where clients that may be created before anything can be awaited have their configuration from.

use aws_config::SdkConfig;

use crate::{Aws, LazyAws};

/// Where a client has its configuration from: loaded before, or loaded at the client's first call.
#[derive(Clone, Debug)]
pub struct ConfigSource(Source);

#[derive(Clone, Debug)]
enum Source {
    Loaded(Box<SdkConfig>),
    Lazy(LazyAws),
}

impl ConfigSource {
    pub(crate) async fn get(&self) -> &SdkConfig {
        match &self.0 {
            Source::Loaded(config) => config,
            Source::Lazy(aws) => aws.get().await,
        }
    }
}

impl From<&LazyAws> for ConfigSource {
    fn from(aws: &LazyAws) -> Self {
        Self(Source::Lazy(aws.clone()))
    }
}

impl From<&Aws> for ConfigSource {
    fn from(aws: &Aws) -> Self {
        Self(Source::Loaded(Box::new(aws.config.clone())))
    }
}

impl From<&SdkConfig> for ConfigSource {
    fn from(config: &SdkConfig) -> Self {
        Self(Source::Loaded(Box::new(config.clone())))
    }
}
