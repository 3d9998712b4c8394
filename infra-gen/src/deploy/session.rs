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

use super::{CallError, call::Attempt as _};

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
    pub(super) s3: aws_sdk_s3::Client,
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
    /// What was said is no region.
    #[error(
        "'{0}' is not the name of a region\n  what to do: give one that AWS has, as in \
         --region eu-central-1"
    )]
    InvalidRegion(String),
}

/// Attempts of a call that AWS throttles or that does not arrive. Deployments run for minutes and
/// share the account's limits with everyone, so there are more of them than the SDK makes unasked.
const ATTEMPTS: u32 = 8;

impl Session {
    /// Finds the configuration. Nobody is asked yet.
    pub async fn open(place: &Place) -> Result<Self, SessionError> {
        let config = load(place).await;
        let region = config.region().ok_or(SessionError::NoRegion)?.to_string();
        if !is_region(&region) {
            return Err(SessionError::InvalidRegion(region));
        }
        let elsewhere = config.endpoint_url().is_some();
        // What stands in for AWS has one name, and no subdomain for each bucket.
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(elsewhere);
        Ok(Self {
            region,
            apigateway: aws_sdk_apigateway::Client::new(&config),
            cloudformation: aws_sdk_cloudformation::Client::new(&config),
            s3: aws_sdk_s3::Client::from_conf(s3.build()),
            sts: aws_sdk_sts::Client::new(&config),
            profile: place.profile.clone(),
            endpoint_url: config.endpoint_url().map(str::to_owned),
        })
    }

    /// The endpoint of an emulator, if it does not speak TLS.
    pub fn plain_http_endpoint(&self) -> Option<&str> {
        self.endpoint_url
            .as_deref()
            .filter(|endpoint| is_plain_http(endpoint))
    }

    /// Asks AWS who the credentials belong to.
    pub async fn caller(&self) -> Result<Caller, CallError> {
        let identity = self.sts.get_caller_identity().send().await;
        let identity = identity.attempt(|| match &self.profile {
            Some(name) => format!("find out whose the credentials of the profile '{name}' are"),
            None => "find out whose the credentials are".to_owned(),
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
async fn load(place: &Place) -> SdkConfig {
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
    let Some(profile) = &place.profile else {
        return config;
    };
    // As with the AWS CLI, keys in the environment do not come before a profile that was asked for
    // by name, which they do in the SDK's own chain. Profiles that sign in or take a role have to
    // know the region.
    let provider = ProviderConfig::without_region()
        .with_region(config.region().cloned())
        .with_http_client(http);
    let provider = ProfileFileCredentialsProvider::builder()
        .configure(&provider)
        .profile_name(profile)
        .build();
    config
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(provider))
        .build()
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
