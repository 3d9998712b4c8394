//! Invalid values of settings.

/// An invalid value of a setting. The message has the value and a valid example.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum SettingError {
    /// The text is not an origin as browsers send it.
    #[error("'{origin}' is not an origin: {problem}; write it like https://app.example.com")]
    InvalidOrigin {
        /// The text that was given.
        origin: String,
        /// The part of the rule that it violates.
        problem: &'static str,
    },
    /// The text cannot be part of the names of tables and queues.
    #[error(
        "'{suffix}' cannot be appended to the names of tables and queues: use up to {max_length} \
         letters, digits, '-' and '_'"
    )]
    InvalidNameSuffix {
        /// The suffix that was given.
        suffix: String,
        /// The largest number of characters.
        max_length: usize,
    },
    /// The text is not a domain name in lower case.
    #[error("'{0}' is not a domain name; write it in lower case, like live.example.com")]
    InvalidDomainName(String),
    /// The text is not the id of a certificate in ACM.
    #[error(
        "'{0}' is not the id of a certificate; give the last part of its ARN, like \
         12345678-90ab-cdef-1234-567890abcdef"
    )]
    InvalidCertificateId(String),
    /// The text is not the ARN of an SNS topic.
    #[error("'{0}' is not the ARN of an SNS topic; it begins with arn: and its service is sns")]
    InvalidTopicArn(String),
    /// The issuer of tokens has no `https://` address.
    #[error("'{0}' is not an issuer of tokens; give its https:// address")]
    InvalidIssuer(String),
    /// The text is not the name of a Lambda function.
    #[error("'{0}' is not the name of a function: use up to 64 letters, digits, '-' and '_'")]
    InvalidFunctionName(String),
    /// API Gateway cannot pass this part of the request to an authorizer.
    #[error(
        "'{0}' is not a part of the request that opens a connection; give one like \
         route.request.querystring.token or route.request.header.Authorization"
    )]
    InvalidIdentitySource(String),
    /// The list of audiences is empty.
    #[error("the issuer '{0}' needs an audience: without one no token would be valid")]
    NoAudience(String),
}
