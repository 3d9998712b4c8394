//! Protection from DNS rebinding: rejects requests whose `Host` header has an unknown name.
//!
//! A web page can let its own name resolve to 127.0.0.1. The browser then takes the page and this port
//! for one origin and lets the page read responses. The `Host` header still has the page's name.

use std::net::{IpAddr, Ipv6Addr};

use http::{Request, StatusCode, Version, header, uri::Authority};
use serde_json::json;

use crate::http_util::{self, Response};

/// The accepted host names.
#[derive(Clone, Debug)]
pub(crate) struct HostCheck {
    /// Accepted names besides the loopback ones, in lower case.
    allowed: Vec<String>,
    /// The name of the option that adds a host.
    option: &'static str,
}

impl HostCheck {
    /// Accepts `allowed` besides the loopback names and addresses. `option` adds a host.
    pub(crate) fn new(allowed: &[String], option: &'static str) -> Self {
        Self {
            option,
            allowed: allowed
                .iter()
                .map(|name| name.to_ascii_lowercase())
                .collect(),
        }
    }

    /// The error response to a request with an unknown host; `None` if the request is accepted.
    pub(crate) fn refusal<B>(&self, request: &Request<B>) -> Option<Response> {
        let mut hosts = request.headers().get_all(header::HOST).iter();
        let (first, more) = (hosts.next(), hosts.next());
        if more.is_some() {
            return Some(bad("the request has more than one `Host` header"));
        }
        // The host of an absolute request target overrides the header: RFC 9112, section 3.2.2.
        let authority = match (request.uri().authority(), first) {
            (Some(authority), _) => Some(authority.clone()),
            (None, Some(host)) => match Authority::try_from(host.as_bytes()) {
                Ok(authority) => Some(authority),
                Err(_) => return Some(bad("the `Host` header is not a host")),
            },
            (None, None) => None,
        };
        match authority {
            Some(authority) if self.allows(authority.host()) => None,
            Some(authority) => Some(misdirected(authority.host(), self.option)),
            // HTTP/1.0 has no `Host` header, and browsers do not use it.
            None if request.version() == Version::HTTP_10 => None,
            None => Some(bad("the request has no `Host` header")),
        }
    }

    fn allows(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        // `localhost.` is the fully qualified form of `localhost`.
        let host = host.strip_suffix('.').unwrap_or(&host);
        is_loopback(host) || self.allowed.iter().any(|name| name == host)
    }
}

/// Whether a host is always this machine: browsers and resolvers do not look it up in DNS.
fn is_loopback(host: &str) -> bool {
    let address = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .map_or_else(
            || host.parse::<IpAddr>().ok(),
            |address| address.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        );
    match address {
        Some(address) => address.is_loopback(),
        None => host == "localhost" || host.ends_with(".localhost"),
    }
}

fn bad(reason: &str) -> Response {
    http_util::json(StatusCode::BAD_REQUEST, &json!({ "message": reason }))
}

fn misdirected(host: &str, option: &str) -> Response {
    let message = format!(
        "the host '{host}' is not allowed, as protection from DNS rebinding; use localhost or \
         127.0.0.1, or start the stack with {option} {host}"
    );
    http_util::json(
        StatusCode::MISDIRECTED_REQUEST,
        &json!({ "message": message }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &str, hosts: &[&[u8]], version: Version) -> Request<()> {
        let mut request = Request::builder().uri(target).version(version);
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        request.body(()).expect("a request")
    }

    fn status(check: &HostCheck, target: &str, hosts: &[&[u8]]) -> Option<u16> {
        let request = request(target, hosts, Version::HTTP_11);
        check
            .refusal(&request)
            .map(|response| response.status().as_u16())
    }

    #[test]
    fn local_host_names_are_accepted() {
        let check = HostCheck::new(&[], "--allow-host");
        for host in [
            "localhost",
            "localhost:4800",
            "LocalHost:4800",
            "localhost.",
            "bucket.localhost:4800",
            "127.0.0.1:4800",
            "127.0.0.1",
            "[::1]:4800",
            "[::1]",
        ] {
            assert_eq!(status(&check, "/", &[host.as_bytes()]), None, "{host}");
        }
    }

    #[test]
    fn unknown_host_names_are_misdirected() {
        let check = HostCheck::new(&[], "--allow-host");
        for host in [
            "evil.example:4800",
            "evil.example",
            "localhost.evil.example",
            "evillocalhost",
            "127.0.0.1.evil.example",
            "0.0.0.0:4800",
            "192.168.0.7:4800",
            "[::2]:4800",
        ] {
            assert_eq!(status(&check, "/", &[host.as_bytes()]), Some(421), "{host}");
        }
    }

    #[test]
    fn allowed_names_match_in_any_case_and_with_any_port() {
        let check = HostCheck::new(&["Stack.Test".to_owned()], "--allow-host");
        assert_eq!(status(&check, "/", &[b"stack.test:4800"]), None);
        assert_eq!(status(&check, "/", &[b"STACK.TEST"]), None);
        assert_eq!(status(&check, "/", &[b"other.stack.test"]), Some(421));
    }

    #[test]
    fn absolute_request_target_overrides_the_host_header() {
        let check = HostCheck::new(&[], "--allow-host");
        assert_eq!(
            status(&check, "http://evil.example/", &[b"localhost"]),
            Some(421)
        );
        assert_eq!(
            status(&check, "http://localhost:4800/", &[b"localhost:4800"]),
            None
        );
    }

    #[test]
    fn missing_repeated_and_malformed_hosts_are_bad_requests() {
        let check = HostCheck::new(&[], "--allow-host");
        assert_eq!(status(&check, "/", &[]), Some(400));
        assert_eq!(
            status(&check, "/", &[b"localhost", b"localhost"]),
            Some(400)
        );
        assert_eq!(status(&check, "/", &[b""]), Some(400));
        assert_eq!(status(&check, "/", &[b"local host"]), Some(400));
        assert_eq!(status(&check, "/", &[b"localhost\xff"]), Some(400));
        let old = request("/", &[], Version::HTTP_10);
        assert!(check.refusal(&old).is_none());
    }
}
