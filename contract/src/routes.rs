//! The routes of both APIs.

use crate::{messages::ClientMessageType, text};

/// Where API Gateway finds a message's route key (the WebSocket API's route selection expression).
pub const ROUTE_SELECTION_EXPRESSION: &str = "$request.body.type";

/// Declares the routes and refuses, at compile time, keys that API Gateway would refuse or that
/// two routes share.
macro_rules! routes {
    ($($(#[$documentation:meta])* $variant:ident = $key:literal,)*) => {
        /// A route of the WebSocket API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Route {
            $($(#[$documentation])* $variant,)*
        }

        impl Route {
            /// Every route, in the order of declaration.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The route key as API Gateway knows it.
            pub const fn key(self) -> &'static str {
                match self {
                    $(Self::$variant => $key,)*
                }
            }
        }

        const _: () = {
            $(assert!(
                is_route_key($key),
                concat!(
                    "`", $key, "` is no route key: use $connect, $disconnect, $default, or 1 to 128 ",
                    "letters, digits, '_' and '-' (contract/src/routes.rs)",
                ),
            );)*
            assert!(
                text::all_different(&[$($key,)*]),
                "two routes have the same key: every route in contract/src/routes.rs needs its own",
            );
        };
    };
}

routes! {
    /// A client opens a connection. The only route that can be authorized.
    Connect = "$connect",
    /// A connection has ended; best effort, late when the client vanished.
    Disconnect = "$disconnect",
    /// What is not JSON or selects no other route.
    Default = "$default",
    /// Watch a job.
    Subscribe = "subscribe",
    /// Stop watching a job.
    Unsubscribe = "unsubscribe",
    /// Cancel a job.
    CancelJob = "cancel_job",
    /// Ask for a job's snapshot.
    RequestStatus = "request_status",
    /// A sign of life.
    Ping = "ping",
}

impl Route {
    /// The route with this key.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|route| route.key() == key)
    }

    /// The client message that selects this route; none for the routes of the connection itself.
    pub const fn client_message(self) -> Option<ClientMessageType> {
        match self {
            Self::Connect | Self::Disconnect | Self::Default => None,
            Self::Subscribe => Some(ClientMessageType::Subscribe),
            Self::Unsubscribe => Some(ClientMessageType::Unsubscribe),
            Self::CancelJob => Some(ClientMessageType::CancelJob),
            Self::RequestStatus => Some(ClientMessageType::RequestStatus),
            Self::Ping => Some(ClientMessageType::Ping),
        }
    }

    /// Whether API Gateway can authorize this route: only `$connect` carries credentials.
    pub const fn can_be_authorized(self) -> bool {
        matches!(self, Self::Connect)
    }
}

// A message type without a route would end at `$default`, a route without one would never be
// selected.
const _: () = {
    let mut index = 0;
    while index < Route::ALL.len() {
        let route = Route::ALL[index];
        if let Some(message) = route.client_message() {
            assert!(
                text::equal(route.key(), message.name()),
                "a route's key and the `type` of its client message differ: make them the same in \
                 contract/src/routes.rs and contract/src/messages.rs",
            );
        }
        index += 1;
    }
    let mut index = 0;
    while index < ClientMessageType::ALL.len() {
        let name = ClientMessageType::ALL[index].name();
        let mut found = false;
        let mut route = 0;
        while route < Route::ALL.len() {
            found = found || text::equal(Route::ALL[route].key(), name);
            route += 1;
        }
        assert!(
            found,
            "a client message type has no route: declare one with the same key in \
             contract/src/routes.rs",
        );
        index += 1;
    }
};

/// Whether API Gateway takes this as the key of a WebSocket route.
const fn is_route_key(key: &str) -> bool {
    if text::equal(key, "$connect")
        || text::equal(key, "$disconnect")
        || text::equal(key, "$default")
    {
        return true;
    }
    let key = key.as_bytes();
    let mut index = 0;
    while index < key.len() {
        if !(key[index].is_ascii_alphanumeric() || key[index] == b'_' || key[index] == b'-') {
            return false;
        }
        index += 1;
    }
    !key.is_empty() && key.len() <= 128
}

/// Methods of the HTTP API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Delete, cancel.
    Delete,
    /// Read.
    Get,
    /// Create.
    Post,
}

impl Method {
    /// The method as it stands in a request.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delete => "DELETE",
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

macro_rules! http_routes {
    ($($(#[$documentation:meta])* $variant:ident = $method:ident $path:literal,)*) => {
        /// A route of the HTTP API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum HttpRoute {
            $($(#[$documentation])* $variant,)*
        }

        impl HttpRoute {
            /// Every route, in the order of declaration.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The method of the route.
            pub const fn method(self) -> Method {
                match self {
                    $(Self::$variant => Method::$method,)*
                }
            }

            /// The path of the route, with API Gateway's `{parameters}`.
            pub const fn path(self) -> &'static str {
                match self {
                    $(Self::$variant => $path,)*
                }
            }
        }

        const _: () = assert!(
            text::all_different(&[$(concat!(stringify!($method), " ", $path),)*]),
            "two HTTP routes have the same method and path (contract/src/routes.rs)",
        );
    };
}

http_routes! {
    /// Takes an input, answers with the new job.
    CreateJob = Post "/v1/jobs",
    /// The job's snapshot.
    GetJob = Get "/v1/jobs/{job_id}",
    /// The job's results.
    GetResults = Get "/v1/jobs/{job_id}/results",
    /// Cancels the job.
    CancelJob = Delete "/v1/jobs/{job_id}",
}

impl HttpRoute {
    /// The route key as API Gateway knows it, `GET /v1/jobs/{job_id}`.
    pub fn key(self) -> String {
        format!("{} {}", self.method().name(), self.path())
    }

    /// The route with this key.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|route| route.key() == key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_found_by_its_key() {
        for route in Route::ALL {
            assert_eq!(Route::from_key(route.key()), Some(*route));
        }
        for route in HttpRoute::ALL {
            assert_eq!(HttpRoute::from_key(&route.key()), Some(*route));
        }
        assert_eq!(Route::from_key("subscribe "), None);
    }

    #[test]
    fn route_keys_are_what_api_gateway_takes() {
        assert!(is_route_key("$default"));
        assert!(is_route_key("cancel-job_2"));
        assert!(!is_route_key("$other"));
        assert!(!is_route_key("a b"));
        assert!(!is_route_key(""));
    }
}
