//! Why something is no value of an environment.

use super::NameSuffix;

/// Why something is no value of an environment.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum EnvironmentError {
    /// No environment has this name.
    #[error(
        "there is no environment '{name}'; known are {known} (infra-gen/src/environments/mod.rs)"
    )]
    UnknownEnvironment {
        /// The name.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// Not an origin as browsers send it.
    #[error("'{origin}' is not an origin: {problem}; write it like https://app.example.com")]
    InvalidOrigin {
        /// What was given.
        origin: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Not a suffix for the names of tables and queues.
    #[error(
        "'{0}' cannot be appended to the names of tables and queues: use up to {max} letters, \
         digits, '-' and '_'", max = NameSuffix::MAX_LENGTH
    )]
    InvalidNameSuffix(String),
    /// Not a domain name.
    #[error("'{0}' is not a domain name; write it in lower case, like live.example.com")]
    InvalidDomainName(String),
    /// Not the id of a certificate.
    #[error(
        "'{0}' is not the id of a certificate; give the last part of its ARN, like \
         12345678-90ab-cdef-1234-567890abcdef"
    )]
    InvalidCertificateId(String),
    /// Not the ARN of a topic.
    #[error("'{0}' is not the ARN of an SNS topic; it begins with arn: and its service is sns")]
    InvalidTopicArn(String),
    /// Not an issuer of tokens.
    #[error("'{0}' is not an issuer of tokens; give its https:// address")]
    InvalidIssuer(String),
    /// Not the name of a function.
    #[error("'{0}' is not the name of a function: use up to 64 letters, digits, '-' and '_'")]
    InvalidFunctionName(String),
    /// Not a part of the request that opens a connection.
    #[error(
        "'{0}' is not a part of the request that opens a connection; give one like \
         route.request.querystring.token or route.request.header.Authorization"
    )]
    InvalidIdentitySource(String),
    /// Nobody could be let in.
    #[error("the issuer '{0}' needs an audience: without one no token would be valid")]
    NoAudience(String),
}
