use std::{
    fmt,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    vec,
};

use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;

use crate::{Addresses, OutboundError};

type Lookup<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Finds the addresses of a host.
pub trait Resolve: Send + Sync + 'static {
    /// All addresses of the host.
    fn resolve(&self, host: String) -> Lookup<io::Result<Vec<IpAddr>>>;
}

/// The resolver of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, host: String) -> Lookup<io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Resolves a host to addresses that may be connected to. The connector uses these and does not resolve again.
#[derive(Clone)]
pub(crate) struct CheckedResolver {
    pub(crate) inner: Arc<dyn Resolve>,
    pub(crate) addresses: Addresses,
}

impl fmt::Debug for CheckedResolver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("CheckedResolver")
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

impl Service<Name> for CheckedResolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = OutboundError;
    type Future = Lookup<Result<Self::Response, OutboundError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), OutboundError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let host = name.as_str().to_owned();
        let lookup = self.inner.resolve(host.clone());
        let allowed = self.addresses;
        Box::pin(async move {
            let unresolved = |cause: String| OutboundError::Unresolved {
                host: host.clone(),
                cause,
            };
            let found = lookup
                .await
                .map_err(|error| unresolved(error.to_string()))?;
            if found.is_empty() {
                return Err(unresolved("it has no addresses".to_owned()));
            }
            // One address that is not allowed is enough: an honest host has none.
            if let Some(&address) = found.iter().find(|address| !allowed.allow(**address)) {
                return Err(OutboundError::ForbiddenAddress { host, address });
            }
            let found: Vec<_> = found.into_iter().map(|ip| SocketAddr::new(ip, 0)).collect();
            Ok(found.into_iter())
        })
    }
}
