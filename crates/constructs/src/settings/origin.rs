//! The origins whose pages may use the APIs and read from buckets.

use serde::Serialize;

use super::{SettingError, domain::is_domain_name};

/// An origin as a browser sends it: scheme, host and optional port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Origin(String);

impl Origin {
    /// Validates an origin.
    pub fn new(origin: &str) -> Result<Self, SettingError> {
        let invalid = |problem| SettingError::InvalidOrigin {
            origin: origin.to_owned(),
            problem,
        };
        if origin == "*" {
            return Err(invalid("for any origin, list none"));
        }
        let authority = origin
            .strip_prefix("https://")
            .or_else(|| origin.strip_prefix("http://"))
            .ok_or_else(|| invalid("it begins with neither https:// nor http://"))?;
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        if host.contains('/') || port.is_some_and(|port| port.contains('/')) {
            return Err(invalid("a browser's origin has no path, not even a slash"));
        }
        if host != "localhost"
            && !is_domain_name(host)
            && host.parse::<std::net::Ipv4Addr>().is_err()
        {
            return Err(invalid("its host is not a name in lower case"));
        }
        if port.is_some_and(|port| port.parse::<u16>().is_err()) {
            return Err(invalid("its port is not a number up to 65535"));
        }
        Ok(Self(origin.to_owned()))
    }

    /// The origin as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_that_browsers_send_are_valid() {
        for origin in [
            "https://app.example.com",
            "http://localhost:5173",
            "http://127.0.0.1:8080",
        ] {
            assert_eq!(Origin::new(origin).expect(origin).as_str(), origin);
        }
    }

    #[test]
    fn invalid_origin_is_reported_with_the_problem() {
        for (origin, problem) in [
            ("*", "for any origin, list none"),
            ("app.example.com", "neither https:// nor http://"),
            ("https://app.example.com/", "has no path"),
            ("https://App.example.com", "not a name in lower case"),
            ("https://app.example.com:99999", "port is not a number"),
        ] {
            let error = Origin::new(origin).expect_err(origin).to_string();
            assert!(error.contains(&format!("'{origin}'")), "{error}");
            assert!(error.contains(problem), "{error}");
        }
    }
}
