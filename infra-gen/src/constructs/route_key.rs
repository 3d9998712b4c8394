//! The key of a WebSocket route that is known only when the program runs.

use std::fmt;

use contract::routes::{Route, is_route_key};

/// What selects a route of the WebSocket API. The keys of the contract's routes are checked by the
/// compiler; this is for those that come from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RouteKey(String);

/// API Gateway would not take this as the key of a route.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "'{0}' is no route key: API Gateway takes $connect, $disconnect, $default, or 1 to 128 letters, \
     digits, '_' and '-'"
)]
pub struct InvalidRouteKey(String);

impl RouteKey {
    /// A key that API Gateway takes.
    pub fn new(key: &str) -> Result<Self, InvalidRouteKey> {
        if is_route_key(key) {
            Ok(Self(key.to_owned()))
        } else {
            Err(InvalidRouteKey(key.to_owned()))
        }
    }

    /// The key.
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
