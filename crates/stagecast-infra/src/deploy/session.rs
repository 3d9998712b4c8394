//! Region, credentials, and the clients of all services.

use std::time::Duration;

use aws_config::{
    BehaviorVersion, Region, SdkConfig, profile::ProfileFileCredentialsProvider,
    provider_config::ProviderConfig, retry::RetryConfig, timeout::TimeoutConfig,
};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};

use cloudformation_deploy::Attempt as _;

use super::{
    CallError, CloudFormation,
    connect_retry::ConnectRetryLimit,
    credentials::{CredentialSources, ProfileError, profile_files},
};

/// The options of the command line. For those that are `None`, the SDK uses the environment and the
/// files that the AWS CLI uses.
#[derive(Clone, Debug, Default)]
pub struct SessionOptions {
    /// The region.
    pub region: Option<String>,
    /// A profile in `~/.aws/config`.
    pub profile: Option<String>,
    /// The address of all services, for an emulator.
    pub endpoint_url: Option<String>,
}

/// The clients of all services, for one account and region.
#[derive(Clone, Debug)]
pub struct AwsSession {
    /// The region of all clients.
    pub region: String,
    pub(super) apigateway: aws_sdk_apigateway::Client,
    /// The client of CloudFormation.
    pub cloudformation: CloudFormation,
    pub(super) dynamodb: aws_sdk_dynamodb::Client,
    /// The client of S3.
    pub s3: aws_sdk_s3::Client,
    pub(super) sqs: aws_sdk_sqs::Client,
    sts: aws_sdk_sts::Client,
    /// What clients of other crates are built from.
    config: SdkConfig,
    profile: Option<String>,
    endpoint_url: Option<String>,
}

/// The identity of the credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The id of the account.
    pub account: String,
    /// The ARN of the user or the role.
    pub arn: String,
}

impl Caller {
    /// The partition of the account, as in ARNs: `aws`, `aws-cn`, `aws-eusc`.
    pub(super) fn partition(&self) -> &str {
        self.arn.split(':').nth(1).unwrap_or("aws")
    }
}

/// Why a session cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// No region is configured.
    #[error(
        "no region is set\n  help: give one, as in --region eu-central-1, or set AWS_REGION or the \
         profile's region in ~/.aws/config"
    )]
    NoRegion,
    /// The selected profile does not exist.
    #[error(
        "there is no profile '{name}' in {files}; {known}\n  help: choose another with --profile or \
         AWS_PROFILE, or create it with `aws configure --profile {name}`"
    )]
    NoSuchProfile {
        /// The name of the profile.
        name: String,
        /// The files that were searched.
        files: String,
        /// The existing profiles, as a clause.
        known: String,
    },
    /// The files with the profiles cannot be read.
    #[error("cannot read the profiles in {files}: {cause}")]
    Profiles {
        /// The files.
        files: String,
        /// The SDK's message.
        cause: String,
    },
    /// The region cannot be the name of one.
    #[error(
        "'{0}' is not the name of a region\n  help: give a region of AWS, as in --region eu-central-1"
    )]
    InvalidRegion(String),
}

impl From<ProfileError> for SessionError {
    fn from(error: ProfileError) -> Self {
        let files = profile_files();
        match error {
            ProfileError::Missing(name, known) => Self::NoSuchProfile {
                name,
                files,
                known: if known.is_empty() {
                    "there are no profiles".to_owned()
                } else {
                    format!("there are {}", known.join(", "))
                },
            },
            ProfileError::Files(cause) => Self::Profiles {
                files,
                cause: cause.to_string(),
            },
        }
    }
}

/// Attempts of a call that is throttled or does not arrive. The SDK's default is 3; deployments run
/// for minutes and share the account's limits with all its users.
const ATTEMPTS: u32 = 8;

impl AwsSession {
    /// Reads the configuration and creates the clients. Sends no request.
    pub async fn open(options: &SessionOptions) -> Result<Self, SessionError> {
        let sources = CredentialSources::new(options.profile.as_deref());
        sources.check_profile().await?;
        let config = load(options, sources).await;
        let region = config.region().ok_or(SessionError::NoRegion)?.to_string();
        if !is_region(&region) {
            return Err(SessionError::InvalidRegion(region));
        }
        let retry_limit = ConnectRetryLimit::default();
        macro_rules! builder {
            ($service:ident) => {
                $service::config::Builder::from(&config)
                    .retry_classifier(retry_limit.clone())
                    .interceptor(retry_limit.clone())
            };
        }
        macro_rules! client {
            ($service:ident) => {
                $service::Client::from_conf(builder!($service).build())
            };
        }
        let is_emulator = config.endpoint_url().is_some();
        // An emulator has one host name, without a subdomain for each bucket.
        let s3 = builder!(aws_sdk_s3).force_path_style(is_emulator);
        Ok(Self {
            region,
            apigateway: client!(aws_sdk_apigateway),
            cloudformation: CloudFormation::new(client!(aws_sdk_cloudformation))
                .with_endpoint(config.endpoint_url().map(str::to_owned)),
            dynamodb: client!(aws_sdk_dynamodb),
            s3: aws_sdk_s3::Client::from_conf(s3.build()),
            sqs: client!(aws_sdk_sqs),
            sts: client!(aws_sdk_sts),
            profile: options.profile.clone(),
            endpoint_url: config.endpoint_url().map(str::to_owned),
            config,
        })
    }

    /// The configuration that clients of other crates are built from.
    pub(crate) fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// The address of an emulator that is used instead of AWS.
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint_url.as_deref()
    }

    /// The address of the emulator if it does not use TLS.
    pub fn plain_http_endpoint(&self) -> Option<&str> {
        self.endpoint().filter(|endpoint| is_plain_http(endpoint))
    }

    /// The address of an emulator, for the message about the first call, which fails if the address is
    /// wrong.
    fn at(&self) -> String {
        let url = self.endpoint_url.as_ref();
        url.map_or_else(String::new, |url| format!(" at {url}"))
    }

    /// Requests the identity of the credentials.
    pub async fn caller(&self) -> Result<Caller, CallError> {
        let identity = self.sts.get_caller_identity().send().await;
        let identity = identity.attempt(|| match &self.profile {
            Some(name) => format!("read the identity of the profile '{name}'{}", self.at()),
            None => format!("read the identity of the credentials{}", self.at()),
        })?;
        Ok(Caller {
            account: identity.account.unwrap_or_default(),
            arn: identity.arn.unwrap_or_default(),
        })
    }
}

/// Loads region, credentials and endpoint as the AWS CLI does, with one HTTP client for all services.
/// The client is built here because the SDK's default would add a second TLS stack.
async fn load(options: &SessionOptions, sources: CredentialSources) -> SdkConfig {
    let http = Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http.clone())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(5))
                .build(),
        );
    if let Some(region) = &options.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(endpoint_url) = &options.endpoint_url {
        loader = loader.endpoint_url(endpoint_url);
    }
    let config = loader.load().await;
    let provider = match &options.profile {
        // As in the AWS CLI, and not as in the SDK's default chain, --profile takes precedence over keys
        // in the environment. Profiles that sign in or assume a role need the region.
        Some(profile) => {
            let provider = ProviderConfig::without_region()
                .with_region(config.region().cloned())
                .with_http_client(http);
            let provider = ProfileFileCredentialsProvider::builder()
                .configure(&provider)
                .profile_name(profile)
                .build();
            Some(SharedCredentialsProvider::new(provider))
        }
        None => config.credentials_provider(),
    };
    match provider {
        Some(provider) => config
            .into_builder()
            .credentials_provider(sources.explain(provider))
            .build(),
        None => config,
    }
}

fn is_plain_http(endpoint: &str) -> bool {
    let scheme = endpoint.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("http"))
}

/// Whether a name looks like `eu-central-1`. Any other one would fail as an unknown host.
fn is_region(name: &str) -> bool {
    let mut parts = name.rsplit('-');
    let number = parts.next().unwrap_or_default();
    let words: Vec<_> = parts.collect();
    number.bytes().all(|byte| byte.is_ascii_digit())
        && !number.is_empty()
        && words.len() >= 2
        && words.iter().all(|word| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoint_without_tls_is_plain_http() {
        for (endpoint, expected) in [
            ("http://localhost:4566", true),
            ("HTTP://127.0.0.1:80/", true),
            ("https://localhost:4566", false),
            ("localhost:4566", false),
        ] {
            assert_eq!(is_plain_http(endpoint), expected, "{endpoint}");
        }
    }

    #[test]
    fn region_names_have_words_and_a_number() {
        for region in [
            "eu-central-1",
            "us-gov-west-1",
            "us-iso-east-1",
            "mx-central-1",
        ] {
            assert!(is_region(region), "{region}");
        }
        for text in [
            "",
            "eu",
            "eu-central",
            "EU-CENTRAL-1",
            "eu-central-1a",
            "eu--1",
            "frankfurt",
        ] {
            assert!(!is_region(text), "{text}");
        }
    }
}
