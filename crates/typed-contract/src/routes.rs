//! The routes of WebSocket APIs and HTTP APIs.

use crate::{
    const_fmt::{self, const_panic},
    names::is_alphanumeric_or,
};

/// The WebSocket API's route selection expression: API Gateway reads the route key from a message's
/// `type`.
pub const ROUTE_SELECTION_EXPRESSION: &str = "$request.body.type";

/// The properties of a route of a WebSocket API in the template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RouteSpec {
    name: &'static str,
    key: &'static str,
}

impl RouteSpec {
    /// A route with this name in API Gateway, and this key. In a constant, a key that API Gateway rejects
    /// does not compile.
    ///
    /// ```compile_fail,E0080
    /// use typed_contract::routes::RouteSpec;
    ///
    /// const TRACK: RouteSpec = RouteSpec::new("Track", "track order");
    /// ```
    ///
    /// # Panics
    ///
    /// If [`is_route_key`] is false for the key.
    #[track_caller]
    pub const fn new(name: &'static str, key: &'static str) -> Self {
        check_key(name, key);
        Self { name, key }
    }

    /// The name of the route's variant.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The route key in API Gateway.
    pub const fn key(&self) -> &'static str {
        self.key
    }
}

/// The properties of a route of an HTTP API in the template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HttpRouteSpec {
    /// The name of the route's variant, in the template's logical ids.
    pub name: &'static str,
    /// The method of the route.
    pub method: Method,
    /// The path of the route, with API Gateway's `{parameters}`.
    pub path: &'static str,
}

impl HttpRouteSpec {
    /// The route key in API Gateway, such as `GET /v1/orders/{order_id}`.
    pub fn key(&self) -> String {
        format!("{} {}", self.method.name(), self.path)
    }
}

/// The routes of an HTTP API that are declared with [`http_routes!`](crate::http_routes).
pub trait HttpRoutes: Copy + 'static {
    /// The properties of every route in the template, in the order of declaration.
    const SPECS: &'static [HttpRouteSpec];

    /// The route with this key.
    fn from_key(key: &str) -> Option<Self>;
}

/// Declares the routes of a WebSocket API. Rejects, at compile time, keys that API Gateway would
/// reject, duplicate keys, and routes and client messages that do not match.
///
/// The type after `for` is that of the messages of clients. It has the constant `NAMES`, the `type`s of
/// all messages, and the function `const fn from_name(name: &str) -> Option<Self>`.
///
/// ```
/// #[derive(Clone, Copy)]
/// pub enum MessageType {
///     Track,
/// }
///
/// impl MessageType {
///     pub const NAMES: &[&str] = &["track"];
///
///     pub const fn from_name(name: &str) -> Option<Self> {
///         match typed_contract::const_fmt::position(name, Self::NAMES) {
///             Some(_) => Some(Self::Track),
///             None => None,
///         }
///     }
/// }
///
/// typed_contract::routes! {
///     /// A route of the WebSocket API.
///     pub enum Route for MessageType {
///         /// A client opens a connection.
///         Connect = "$connect",
///         /// Track an order.
///         Track = "track",
///     }
/// }
///
/// assert_eq!(Route::from_key("track"), Some(Route::Track));
/// assert_eq!(Route::Track.spec().name(), "Track");
/// ```
///
/// A route that no message selects does not compile:
///
/// ```compile_fail,E0080
/// # #[derive(Clone, Copy)]
/// # pub enum MessageType {
/// #     Track,
/// # }
/// # impl MessageType {
/// #     pub const NAMES: &[&str] = &["track"];
/// #     pub const fn from_name(name: &str) -> Option<Self> {
/// #         match typed_contract::const_fmt::position(name, Self::NAMES) {
/// #             Some(_) => Some(Self::Track),
/// #             None => None,
/// #         }
/// #     }
/// # }
/// typed_contract::routes! {
///     /// A route of the WebSocket API.
///     pub enum Route for MessageType {
///         /// Track an order.
///         Track = "track",
///         /// Return an order.
///         Return = "return",
///     }
/// }
/// ```
///
/// Nor do two routes with the same key:
///
/// ```compile_fail,E0080
/// # #[derive(Clone, Copy)]
/// # pub enum MessageType {
/// #     Track,
/// # }
/// # impl MessageType {
/// #     pub const NAMES: &[&str] = &["track"];
/// #     pub const fn from_name(name: &str) -> Option<Self> {
/// #         match typed_contract::const_fmt::position(name, Self::NAMES) {
/// #             Some(_) => Some(Self::Track),
/// #             None => None,
/// #         }
/// #     }
/// # }
/// typed_contract::routes! {
///     /// A route of the WebSocket API.
///     pub enum Route for MessageType {
///         /// Track an order.
///         Track = "track",
///         /// Track an order as well.
///         Follow = "track",
///     }
/// }
/// ```
#[macro_export]
macro_rules! routes {
    (
        $(#[$documentation:meta])*
        $visibility:vis enum $route:ident for $message:ident {
            $($(#[$route_documentation:meta])* $variant:ident = $key:literal,)*
        }
    ) => {
        $(#[$documentation])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        $visibility enum $route {
            $($(#[$route_documentation])* $variant,)*
        }

        impl $route {
            /// Every route, in the order of declaration.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The route key in API Gateway.
            pub const fn key(self) -> &'static str {
                match self {
                    $(Self::$variant => $key,)*
                }
            }

            /// The properties of the route in the template.
            pub const fn spec(self) -> $crate::routes::RouteSpec {
                match self {
                    $(Self::$variant => {
                        $crate::routes::RouteSpec::new(stringify!($variant), $key)
                    })*
                }
            }

            /// The route with this key.
            pub fn from_key(key: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|route| route.key() == key)
            }

            /// The client message that selects this route; `None` for `$connect`, `$disconnect` and
            /// `$default`.
            pub const fn client_message(self) -> Option<$message> {
                $message::from_name(self.key())
            }
        }

        const _: () = $crate::routes::check(
            &[$((stringify!($variant), $key),)*],
            $message::NAMES,
        );
    };
}

/// Rejects a route whose key is invalid.
#[track_caller]
const fn check_key(name: &str, key: &str) {
    if !is_route_key(key) {
        const_panic(&[
            "the key of the route `",
            name,
            "` is `",
            key,
            "`, which API Gateway does not accept: use $connect, $disconnect, $default, or 1 to 128 \
             letters, digits, '_' and '-'",
        ]);
    }
}

/// Rejects routes, given by name and key, whose keys are invalid or duplicate, or do not match the
/// client messages.
#[doc(hidden)]
#[track_caller]
pub const fn check(routes: &[(&str, &str)], messages: &[&str]) {
    let mut index = 0;
    while index < routes.len() {
        let (name, key) = routes[index];
        check_key(name, key);
        let mut other = 0;
        while other < index {
            if const_fmt::equal(routes[other].1, key) {
                const_panic(&[
                    "the routes `",
                    routes[other].0,
                    "` and `",
                    name,
                    "` have the same key `",
                    key,
                    "`, so API Gateway could not distinguish them: give each its own",
                ]);
            }
            other += 1;
        }
        if !is_lifecycle_key(key) && const_fmt::position(key, messages).is_none() {
            const_panic(&[
                "no client message selects the route `",
                name,
                "`: declare one whose `type` is `",
                key,
                "` among the client messages",
            ]);
        }
        index += 1;
    }
    let mut index = 0;
    while index < messages.len() {
        let mut found = false;
        let mut route = 0;
        while route < routes.len() {
            found = found || const_fmt::equal(routes[route].1, messages[index]);
            route += 1;
        }
        if !found {
            const_panic(&[
                "the client message `",
                messages[index],
                "` has no route and would end at $default: declare a route with the key `",
                messages[index],
                "` with `routes!`",
            ]);
        }
        index += 1;
    }
}

/// Whether API Gateway selects the route by itself, not by a client message.
const fn is_lifecycle_key(key: &str) -> bool {
    const_fmt::equal(key, "$connect")
        || const_fmt::equal(key, "$disconnect")
        || const_fmt::equal(key, "$default")
}

/// Whether API Gateway accepts `key` as the key of a WebSocket route.
pub const fn is_route_key(key: &str) -> bool {
    if is_lifecycle_key(key) {
        return true;
    }
    !key.is_empty() && key.len() <= 128 && is_alphanumeric_or(key, b"_-")
}

/// Methods of the HTTP API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Cancels or deletes.
    Delete,
    /// Reads.
    Get,
    /// Creates or claims.
    Post,
}

impl Method {
    /// The method's name in a request.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delete => "DELETE",
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// Declares the routes of an HTTP API. Rejects, at compile time, two routes with the same method
/// and path.
///
/// ```
/// typed_contract::http_routes! {
///     /// A route of the HTTP API.
///     pub enum HttpRoute {
///         /// Places an order.
///         PlaceOrder = Post "/v1/orders",
///         /// Returns an order.
///         GetOrder = Get "/v1/orders/{order_id}",
///     }
/// }
///
/// assert_eq!(HttpRoute::PlaceOrder.key(), "POST /v1/orders");
/// ```
///
/// ```compile_fail,E0080
/// typed_contract::http_routes! {
///     /// A route of the HTTP API.
///     pub enum HttpRoute {
///         /// Places an order.
///         PlaceOrder = Post "/v1/orders",
///         /// Imports an order.
///         ImportOrder = Post "/v1/orders",
///     }
/// }
/// ```
#[macro_export]
macro_rules! http_routes {
    (
        $(#[$documentation:meta])*
        $visibility:vis enum $route:ident {
            $($(#[doc = $route_documentation:literal])* $variant:ident = $method:ident $path:literal,)*
        }
    ) => {
        $(#[$documentation])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        $visibility enum $route {
            $($(#[doc = $route_documentation])* $variant,)*
        }

        impl $route {
            /// Every route, in the order of declaration.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The route's description in OpenAPI: the first sentence of its documentation.
            pub const fn description(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($route_documentation),*).trim_ascii(),)*
                }
            }

            /// The method of the route.
            pub const fn method(self) -> $crate::routes::Method {
                match self {
                    $(Self::$variant => $crate::routes::Method::$method,)*
                }
            }

            /// The path of the route, with API Gateway's `{parameters}`.
            pub const fn path(self) -> &'static str {
                match self {
                    $(Self::$variant => $path,)*
                }
            }

            /// The route key in API Gateway, such as `GET /v1/orders/{order_id}`.
            pub fn key(self) -> String {
                self.spec().key()
            }

            /// The properties of the route in the template.
            pub const fn spec(self) -> $crate::routes::HttpRouteSpec {
                $crate::routes::HttpRouteSpec {
                    name: match self {
                        $(Self::$variant => stringify!($variant),)*
                    },
                    method: self.method(),
                    path: self.path(),
                }
            }

            /// The route with this key.
            pub fn from_key(key: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|route| route.key() == key)
            }
        }

        impl $crate::routes::HttpRoutes for $route {
            const SPECS: &'static [$crate::routes::HttpRouteSpec] = &[$(Self::$variant.spec(),)*];

            fn from_key(key: &str) -> Option<Self> {
                Self::from_key(key)
            }
        }

        const _: () = $crate::routes::check_http(&[
            $((stringify!($variant), $crate::routes::Method::$method, $path),)*
        ]);
    };
}

/// Rejects HTTP routes, given by name, method and path, if two have the same method and path.
#[doc(hidden)]
#[track_caller]
pub const fn check_http(routes: &[(&str, Method, &str)]) {
    let mut index = 0;
    while index < routes.len() {
        let (name, method, path) = routes[index];
        let mut other = 0;
        while other < index {
            let (other_name, other_method, other_path) = routes[other];
            if const_fmt::equal(other_method.name(), method.name())
                && const_fmt::equal(other_path, path)
            {
                const_panic(&[
                    "the HTTP routes `",
                    other_name,
                    "` and `",
                    name,
                    "` are both `",
                    method.name(),
                    " ",
                    path,
                    "`: give each its own method or path",
                ]);
            }
            other += 1;
        }
        index += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn route_keys_have_the_characters_api_gateway_accepts() {
        assert!(is_route_key("$default"));
        assert!(is_route_key("track-order_2"));
        assert!(!is_route_key("$other"));
        assert!(!is_route_key("a b"));
        assert!(!is_route_key(""));
    }
}
