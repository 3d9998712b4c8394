use std::{net::IpAddr, time::Duration};

/// Why a request has no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutboundError {
    /// The address cannot be used by this client, whatever it leads to.
    #[error("the URL {problem}")]
    InvalidUrl {
        /// What is wrong with it, such as `has the scheme ftp; use https`.
        problem: String,
    },
    /// The host is, or resolves to, an address that is not allowed.
    #[error("{host} has the address {address}, which is not a public one")]
    ForbiddenAddress {
        /// The host of the URL.
        host: String,
        /// The first address that is not allowed.
        address: IpAddr,
    },
    /// The host has no address.
    #[error("{host} cannot be resolved: {cause}")]
    Unresolved {
        /// The host of the URL.
        host: String,
        /// The resolver's error.
        cause: String,
    },
    /// No connection: nothing listens, or TLS failed.
    #[error("cannot connect to {host}: {cause}")]
    Connect {
        /// The host of the URL.
        host: String,
        /// The first cause.
        cause: String,
    },
    /// The server did not answer completely within [`Limits::total`](crate::Limits::total).
    #[error("{host} did not answer within {} s", limit.as_secs_f64())]
    TimedOut {
        /// The host of the URL.
        host: String,
        /// The limit.
        limit: Duration,
    },
    /// The server closed the connection, or sent something else than HTTP.
    #[error("the response of {host} is incomplete or not HTTP: {cause}")]
    BrokenResponse {
        /// The host of the URL.
        host: String,
        /// The first cause.
        cause: String,
    },
}

/// The last source of an error: the others repeat that something failed.
pub(crate) fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// The first error of this type among an error and its sources.
pub(crate) fn find_source<'a, T: std::error::Error + 'static>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // An `io::Error` hides the error that it contains behind its own sources.
        let inner = error.downcast_ref::<std::io::Error>();
        if let Some(found) = inner
            .and_then(std::io::Error::get_ref)
            .and_then(|it| it.downcast_ref())
        {
            return Some(found);
        }
        next = error.source();
    }
    None
}
