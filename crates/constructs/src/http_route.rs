//! A route of an HTTP API.

use typed_contract::routes::HttpRouteSpec;

use crate::settings::Throttling;

/// A route of an HTTP API: a declared route, and what the stack adds to it.
///
/// ```
/// use constructs::{HttpApiRoute, settings::Throttling};
///
/// typed_contract::http_routes! {
///     /// A route of the HTTP API.
///     pub enum HttpRoute {
///         /// Places an order.
///         PlaceOrder = Post "/v1/orders",
///     }
/// }
///
/// let route = HttpApiRoute::from(HttpRoute::PlaceOrder.spec())
///     .with_token()
///     .with_throttling(Throttling { requests_per_second: 10, burst: 20 });
/// assert!(route.requires_token);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpApiRoute {
    /// The name, method and path.
    pub spec: HttpRouteSpec,
    /// Whether the API's authorizer checks the token of requests.
    pub requires_token: bool,
    /// A limit for this route alone; the stage's limit does not apply to it. None: the stage's limit.
    pub throttling: Option<Throttling>,
}

impl HttpApiRoute {
    /// The same route, for requests with a token that the API's authorizer accepts.
    #[must_use]
    pub const fn with_token(self) -> Self {
        Self {
            requires_token: true,
            ..self
        }
    }

    /// The same route with its own limit, so that its requests do not use up the limit of the others.
    #[must_use]
    pub const fn with_throttling(self, throttling: Throttling) -> Self {
        Self {
            throttling: Some(throttling),
            ..self
        }
    }
}

impl From<HttpRouteSpec> for HttpApiRoute {
    fn from(spec: HttpRouteSpec) -> Self {
        Self {
            spec,
            requires_token: spec.authorizer.is_api(),
            throttling: None,
        }
    }
}
