//! WebSocket route keys that are only known at run time.

use std::fmt;

use contract::routes::Route;
use typed_contract::routes::is_route_key;

/// The key of a route of the WebSocket API. The compiler checks the keys of the contract's routes; this
/// type checks others at run time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RouteKey(String);

/// A text that API Gateway does not accept as a route key.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "'{0}' is not a route key: API Gateway accepts $connect, $disconnect, $default, or 1 to 128 \
     letters, digits, '_' and '-'"
)]
pub struct InvalidRouteKey(String);

impl RouteKey {
    /// Validates a key.
    pub fn new(key: &str) -> Result<Self, InvalidRouteKey> {
        if is_route_key(key) {
            Ok(Self(key.to_owned()))
        } else {
            Err(InvalidRouteKey(key.to_owned()))
        }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Route> for RouteKey {
    fn from(route: Route) -> Self {
        Self(route.key().to_owned())
    }
}

impl fmt::Display for RouteKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
