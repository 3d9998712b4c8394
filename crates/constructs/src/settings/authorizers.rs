//! The authorizers of WebSocket APIs and HTTP APIs.

use super::SettingError;

/// Restricts routes of an HTTP API to requests with a JSON Web Token in the header `Authorization`.
///
/// ```
/// use constructs::settings::JwtAuthorizer;
///
/// assert!(JwtAuthorizer::new("https://login.example.com/", &["shop"]).is_ok());
/// assert!(JwtAuthorizer::new("login.example.com", &["shop"]).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtAuthorizer {
    name: String,
    issuer: String,
    audience: Vec<String>,
}

impl JwtAuthorizer {
    /// Accepts the tokens of this issuer for one of these audiences.
    pub fn new(issuer: &str, audience: &[&str]) -> Result<Self, SettingError> {
        if !issuer.starts_with("https://") {
            return Err(SettingError::InvalidIssuer(issuer.to_owned()));
        }
        if audience.is_empty() {
            return Err(SettingError::NoAudience(issuer.to_owned()));
        }
        Ok(Self {
            name: "tokens".to_owned(),
            issuer: issuer.to_owned(),
            audience: audience
                .iter()
                .map(|&audience| audience.to_owned())
                .collect(),
        })
    }

    /// The same authorizer with another name in API Gateway than `tokens`.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..self
        }
    }

    /// The name in API Gateway.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The `https://` address of the issuer.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The accepted audiences. A token needs one of them.
    pub fn audience(&self) -> &[String] {
        &self.audience
    }
}

/// Restricts connections to those that a Lambda authorizer accepts. The function is in the stack's
/// region and account, but not part of the stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectAuthorizer {
    function_name: String,
    identity_sources: Vec<String>,
}

impl ConnectAuthorizer {
    /// Calls this function for requests that have all of the identity sources. API Gateway refuses
    /// other requests.
    pub fn new(function_name: &str, identity_sources: &[&str]) -> Result<Self, SettingError> {
        let is_name = (1..=64).contains(&function_name.len())
            && typed_contract::names::is_alphanumeric_or(function_name, b"-_");
        if !is_name {
            return Err(SettingError::InvalidFunctionName(function_name.to_owned()));
        }
        for source in identity_sources {
            let part = source
                .strip_prefix("route.request.querystring.")
                .or_else(|| source.strip_prefix("route.request.header."));
            if part.is_none_or(str::is_empty) {
                return Err(SettingError::InvalidIdentitySource((*source).to_owned()));
            }
        }
        Ok(Self {
            function_name: function_name.to_owned(),
            identity_sources: identity_sources
                .iter()
                .map(|&source| source.to_owned())
                .collect(),
        })
    }

    /// The name of the authorizer's function.
    pub fn function_name(&self) -> &str {
        &self.function_name
    }

    /// The parts that a request must have, such as `route.request.querystring.token`.
    pub fn identity_sources(&self) -> &[String] {
        &self.identity_sources
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jwt_authorizer_needs_an_https_issuer_and_an_audience() {
        assert!(JwtAuthorizer::new("https://issuer.example.com", &["shop"]).is_ok());
        assert!(JwtAuthorizer::new("issuer.example.com", &["shop"]).is_err());
        assert!(JwtAuthorizer::new("https://issuer.example.com", &[]).is_err());
    }

    #[test]
    fn connect_authorizer_needs_a_function_and_valid_sources() {
        assert!(ConnectAuthorizer::new("auth", &["route.request.querystring.token"]).is_ok());
        assert!(ConnectAuthorizer::new("auth", &["$request.querystring.token"]).is_err());
        assert!(ConnectAuthorizer::new("auth", &["route.request.header."]).is_err());
        assert!(ConnectAuthorizer::new("arn:aws:lambda:x", &[]).is_err());
    }
}
