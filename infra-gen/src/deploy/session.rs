//! Who is deploying, and where: the configuration and the clients that everything else uses.

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

use super::{
    CallError,
    call::Attempt as _,
    credentials::{CredentialSources, ProfileError, profile_files},
    first_contact::FirstContact,
};

/// What the command line says of the account and the region; what it does not say is found as the
/// AWS CLI finds it.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The region.
    pub region: Option<String>,
    /// A profile of `~/.aws/config`.
    pub profile: Option<String>,
    /// Where AWS is, if not where AWS says.
    pub endpoint_url: Option<String>,
}

/// The clients, and where they lead.
#[derive(Clone, Debug)]
pub struct Session {
    /// The region.
    pub region: String,
    pub(super) apigateway: aws_sdk_apigateway::Client,
    pub(super) cloudformation: aws_sdk_cloudformation::Client,
    pub(super) dynamodb: aws_sdk_dynamodb::Client,
    pub(super) s3: aws_sdk_s3::Client,
    pub(super) sqs: aws_sdk_sqs::Client,
    sts: aws_sdk_sts::Client,
    profile: Option<String>,
    endpoint_url: Option<String>,
}

/// Who the credentials belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account's id.
    pub account: String,
    /// The ARN of the user or the role.
    pub arn: String,
}

impl Caller {
    /// The part of AWS that the account is in, as ARNs name it: `aws`, `aws-cn`, `aws-eusc`.
    pub(super) fn partition(&self) -> &str {
        self.arn.split(':').nth(1).unwrap_or("aws")
    }
}

/// Why there is nowhere to deploy to.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// It was not said where.
    #[error(
        "no region is set\n  what to do: give one, as in --region eu-central-1, or set AWS_REGION, \
         or set one for the profile in ~/.aws/config"
    )]
    NoRegion,
    /// The profile that was asked for does not exist.
    #[error(
        "there is no profile '{name}' in {files}; {known}\n  what to do: give another with --profile \
         or AWS_PROFILE, or make this one with `aws configure --profile {name}`"
    )]
    NoSuchProfile {
        /// The profile.
        name: String,
        /// Where profiles are.
        files: String,
        /// Those that there are, as a clause.
        known: String,
    },
    /// The files that profiles are in cannot be read.
    #[error("the profiles in {files} cannot be read: {cause}")]
    Profiles {
        /// The files.
        files: String,
        /// Why.
        cause: String,
    },
    /// What was said is no region.
    #[error(
        "'{0}' is not the name of a region\n  what to do: give one that AWS has, as in \
         --region eu-central-1"
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

/// Attempts of a call that AWS throttles or that does not arrive. Deployments run for minutes and
/// share the account's limits with everyone, so there are more of them than the SDK makes unasked.
const ATTEMPTS: u32 = 8;

impl Session {
    /// Finds the configuration. Nobody is asked yet.
    pub async fn open(place: &Place) -> Result<Self, SessionError> {
        let sources = CredentialSources::new(place.profile.as_deref());
        sources.check_profile().await?;
        let config = load(place, sources).await;
        let region = config.region().ok_or(SessionError::NoRegion)?.to_string();
        if !is_region(&region) {
            return Err(SessionError::InvalidRegion(region));
        }
        let contact = FirstContact::default();
        macro_rules! builder {
            ($service:ident) => {
                $service::config::Builder::from(&config)
                    .retry_classifier(contact.clone())
                    .interceptor(contact.clone())
            };
        }
        macro_rules! client {
            ($service:ident) => {
                $service::Client::from_conf(builder!($service).build())
            };
        }
        let elsewhere = config.endpoint_url().is_some();
        // What stands in for AWS has one name, and no subdomain for each bucket.
        let s3 = builder!(aws_sdk_s3).force_path_style(elsewhere);
        Ok(Self {
            region,
            apigateway: client!(aws_sdk_apigateway),
            cloudformation: client!(aws_sdk_cloudformation),
            dynamodb: client!(aws_sdk_dynamodb),
            s3: aws_sdk_s3::Client::from_conf(s3.build()),
            sqs: client!(aws_sdk_sqs),
            sts: client!(aws_sdk_sts),
            profile: place.profile.clone(),
            endpoint_url: config.endpoint_url().map(str::to_owned),
        })
    }

    /// The endpoint of an emulator, if one takes the place of AWS.
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint_url.as_deref()
    }

    /// The endpoint of an emulator, if it does not speak TLS.
    pub fn plain_http_endpoint(&self) -> Option<&str> {
        self.endpoint().filter(|endpoint| is_plain_http(endpoint))
    }

    /// Where AWS is asked, for what is said of the first call: it is the one that finds nothing there.
    pub(super) fn at(&self) -> String {
        let url = self.endpoint_url.as_ref();
        url.map_or_else(String::new, |url| format!(" at {url}"))
    }

    /// Asks AWS who the credentials belong to.
    pub async fn caller(&self) -> Result<Caller, CallError> {
        let identity = self.sts.get_caller_identity().send().await;
        let identity = identity.attempt(|| match &self.profile {
            Some(name) => format!(
                "find out whose the credentials of the profile '{name}' are{}",
                self.at()
            ),
            None => format!("find out whose the credentials are{}", self.at()),
        })?;
        Ok(Caller {
            account: identity.account.unwrap_or_default(),
            arn: identity.arn.unwrap_or_default(),
        })
    }
}

/// Region, credentials and endpoint as the AWS CLI finds them, one HTTP client for all services.
///
/// The client is built here because the SDK's default brings a second TLS stack.
async fn load(place: &Place, sources: CredentialSources) -> SdkConfig {
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
    if let Some(region) = &place.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(profile) = &place.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(endpoint_url) = &place.endpoint_url {
        loader = loader.endpoint_url(endpoint_url);
    }
    let config = loader.load().await;
    let provider = match &place.profile {
        // As with the AWS CLI, keys in the environment do not come before a profile that was asked
        // for by name, which they do in the SDK's own chain. Profiles that sign in or take a role
        // have to know the region.
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

/// Whether it looks like `eu-central-1`. A name that does not would end as an unknown host.
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
    fn an_endpoint_without_tls_is_plain_http() {
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
    fn names_that_no_region_can_have_are_told_from_those_that_one_may() {
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
