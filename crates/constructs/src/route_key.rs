//! The routes of a WebSocket API: declared ones, and ones that are only known at run time.

use std::fmt;

use typed_contract::routes::{RouteSpec, is_route_key};

/// The key of a route of a WebSocket API. The compiler checks the keys of declared routes; this type
/// checks others at run time.
///
/// ```
/// use constructs::RouteKey;
///
/// assert!(RouteKey::new("track_order").is_ok());
/// assert!(RouteKey::new("track order").is_err());
/// ```
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

impl fmt::Display for RouteKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A route of a WebSocket API, made from a declared route or from a [`RouteKey`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketRoute {
    /// The key, which is also part of the logical ids.
    pub(crate) key: RouteKey,
    /// The name in API Gateway.
    pub(crate) operation_name: String,
}

impl From<RouteSpec> for WebSocketRoute {
    fn from(route: RouteSpec) -> Self {
        Self {
            key: RouteKey(route.key().to_owned()),
            operation_name: route.name().to_owned(),
        }
    }
}

impl From<RouteKey> for WebSocketRoute {
    fn from(key: RouteKey) -> Self {
        Self {
            operation_name: key.to_string(),
            key,
        }
    }
}
