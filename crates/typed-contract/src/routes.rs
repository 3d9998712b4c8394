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
    /// The route's description in OpenAPI: the first sentence of its documentation.
    pub description: &'static str,
    /// What checks a request before the function is invoked.
    pub authorizer: RouteAuthorizer,
}

/// What checks a request to a route of an HTTP API before the function is invoked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RouteAuthorizer {
    /// Nothing: everyone who knows the URL can call the route.
    #[default]
    None,
    /// The authorizer of the API, which checks the token in the header `Authorization`.
    Api,
}

impl RouteAuthorizer {
    /// Whether the API's authorizer checks requests.
    pub const fn is_api(self) -> bool {
        matches!(self, Self::Api)
    }
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

/// Declares the routes of an HTTP API. Rejects, at compile time, a path that API Gateway does not accept, and two
/// routes with the same method and path, even if their parameters have different names.
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
/// `authorizer: Api` declares that the API's authorizer checks the token of requests:
///
/// ```
/// use typed_contract::routes::RouteAuthorizer;
///
/// typed_contract::http_routes! {
///     /// A route of the HTTP API.
///     pub enum HttpRoute {
///         /// Returns the stock.
///         GetStock = Get "/v1/stock",
///         /// Places an order.
///         PlaceOrder = Post "/v1/orders" { authorizer: Api },
///     }
/// }
///
/// assert_eq!(HttpRoute::GetStock.spec().authorizer, RouteAuthorizer::None);
/// assert_eq!(HttpRoute::PlaceOrder.spec().authorizer, RouteAuthorizer::Api);
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
            $($(#[doc = $route_documentation:literal])* $variant:ident = $method:ident $path:literal
                $({ authorizer: $authorizer:ident })?,)*
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
                    description: self.description(),
                    authorizer: match self {
                        $(Self::$variant => $crate::route_authorizer!($($authorizer)?),)*
                    },
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

/// The authorizer of a route in [`http_routes!`].
#[doc(hidden)]
#[macro_export]
macro_rules! route_authorizer {
    () => {
        $crate::routes::RouteAuthorizer::None
    };
    ($authorizer:ident) => {
        $crate::routes::RouteAuthorizer::$authorizer
    };
}

/// Rejects HTTP routes, given by name, method and path, with a path that API Gateway does not accept, and two
/// routes that match the same requests.
#[doc(hidden)]
#[track_caller]
pub const fn check_http(routes: &[(&str, Method, &str)]) {
    let mut index = 0;
    while index < routes.len() {
        let (name, method, path) = routes[index];
        check_path(name, path);
        let mut other = 0;
        while other < index {
            let (other_name, other_method, other_path) = routes[other];
            if const_fmt::equal(other_method.name(), method.name())
                && match_same_requests(other_path, path)
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

/// Rejects a path that API Gateway does not accept.
#[track_caller]
const fn check_path(name: &str, path: &str) {
    if let Some(problem) = path_problem(path) {
        const_panic(&[
            "the path of the HTTP route `",
            name,
            "` is `",
            path,
            "`: ",
            problem,
        ]);
    }
}

/// Why API Gateway does not accept a path; none if it does.
const fn path_problem(path: &str) -> Option<&'static str> {
    let path = path.as_bytes();
    if path.is_empty() || path[0] != b'/' {
        return Some("begin it with `/`");
    }
    let mut index = 0;
    while index < path.len() {
        let is_last_slash = index + 1 == path.len() && index > 0;
        if path[index] == b'/' && (is_last_slash || (index > 0 && path[index - 1] == b'/')) {
            return Some("a segment is empty; remove a `/`");
        }
        if path[index] == b'}' {
            return Some(
                "a `}` ends no parameter; write a parameter as a whole segment, such as `/{order_id}`",
            );
        }
        if path[index] == b'{' {
            index = match parameter_end(path, index) {
                Some(end) => end,
                None => {
                    return Some(
                        "a `{` begins no parameter; write a parameter as a whole segment, such as \
                         `/{order_id}`, of letters, digits, '_' and '-', with a '+' at the end only in the \
                         last one",
                    );
                }
            };
        } else if path[index] != b'/' && !is_path_byte(path[index]) {
            return Some("use letters, digits and `-._~` outside of parameters");
        }
        index += 1;
    }
    None
}

const fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// The index of the `}` of the parameter that begins at `start`; none if it is no parameter of a whole segment.
const fn parameter_end(path: &[u8], start: usize) -> Option<usize> {
    if path[start - 1] != b'/' {
        return None;
    }
    let mut index = start + 1;
    while index < path.len()
        && (path[index].is_ascii_alphanumeric() || matches!(path[index], b'_' | b'-'))
    {
        index += 1;
    }
    if index == start + 1 {
        return None;
    }
    let is_greedy = index < path.len() && path[index] == b'+';
    if is_greedy {
        index += 1;
    }
    let is_closed = index < path.len() && path[index] == b'}';
    let is_last = index + 1 == path.len();
    if is_closed && (is_last || (!is_greedy && path[index + 1] == b'/')) {
        Some(index)
    } else {
        None
    }
}

/// Whether two valid paths match the same requests: they are equal but for the names of their parameters.
pub const fn match_same_requests(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let (mut at, mut at_other) = (0, 0);
    while at < one.len() && at_other < other.len() {
        if one[at] != other[at_other] {
            return false;
        }
        if one[at] == b'{' {
            at = name_end(one, at);
            at_other = name_end(other, at_other);
        } else {
            at += 1;
            at_other += 1;
        }
    }
    at == one.len() && at_other == other.len()
}

/// The index of the `+` or the `}` of the parameter that begins at `start`.
const fn name_end(path: &[u8], start: usize) -> usize {
    let mut index = start;
    while index < path.len() && path[index] != b'+' && path[index] != b'}' {
        index += 1;
    }
    index
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

    #[test]
    fn http_paths_have_the_format_api_gateway_accepts() {
        for path in [
            "/",
            "/v1/orders",
            "/v1/orders/{order_id}",
            "/v1/{a}/b-c.d/{e}",
            "/files/{path+}",
        ] {
            assert_eq!(path_problem(path), None, "{path}");
        }
        for path in [
            "", "v1", "//", "/v1/", "/v1//a", "/{", "/{}", "/{a", "/a}", "/{a}}", "/{{a}}",
            "/x{a}", "/{a}x", "/{a b}", "/{a+}/b", "/{+}", "/a b", "/a?b",
        ] {
            assert!(path_problem(path).is_some(), "{path}");
        }
    }

    #[test]
    fn names_of_parameters_do_not_distinguish_paths() {
        assert!(match_same_requests("/a/{b}/c", "/a/{other}/c"));
        assert!(match_same_requests("/a", "/a"));
        assert!(!match_same_requests("/a/{b}", "/a/{b+}"));
        assert!(!match_same_requests("/a/{b}", "/a/b"));
        assert!(!match_same_requests("/a/{b}", "/a/{b}/c"));
        assert!(!match_same_requests("/a", "/ab"));
    }
}
