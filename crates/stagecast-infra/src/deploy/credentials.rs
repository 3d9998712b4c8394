//! Credentials, and the error message if there are none.

use std::{env, fmt};

use aws_config::profile::{self, ProfileFileLoadError};
use aws_credential_types::{
    Credentials,
    provider::{
        ProvideCredentials, SharedCredentialsProvider, error::CredentialsError,
        future::ProvideCredentials as Providing,
    },
};
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_sdk_cloudformation::error::DisplayErrorContext;
use aws_types::os_shim_internal::{Env, Fs};

/// The sources of credentials that the SDK searches.
#[derive(Clone, Debug)]
pub(super) struct CredentialSources {
    /// The profile of the command line. The SDK then searches no other source.
    profile: Option<String>,
}

/// Why a profile cannot be used.
#[derive(Debug)]
pub(super) enum ProfileError {
    /// There is no profile with this name, but these.
    Missing(String, Vec<String>),
    /// The files with the profiles cannot be read.
    Files(ProfileFileLoadError),
}

impl CredentialSources {
    pub(super) fn new(profile: Option<&str>) -> Self {
        Self {
            profile: profile.map(str::to_owned),
        }
    }

    /// Checks that the selected profile exists. It is selected by an option, or by `AWS_PROFILE` unless
    /// the environment has keys, which take precedence.
    pub(super) async fn check_profile(&self) -> Result<(), ProfileError> {
        let of_environment = || {
            let has_keys = env::var_os("AWS_ACCESS_KEY_ID").is_some();
            env::var("AWS_PROFILE")
                .ok()
                .filter(|name| !name.is_empty() && !has_keys)
        };
        let Some(name) = self.profile.clone().or_else(of_environment) else {
            return Ok(());
        };
        let files = EnvConfigFiles::default();
        let profiles = profile::load(&Fs::real(), &Env::real(), &files, None).await;
        let profiles = profiles.map_err(ProfileError::Files)?;
        if profiles.get_profile(&name).is_some() {
            return Ok(());
        }
        let mut known: Vec<_> = profiles.profiles().map(str::to_owned).collect();
        known.sort();
        Err(ProfileError::Missing(name, known))
    }

    /// Wraps a provider; its error then names the sources that were searched.
    pub(super) fn explain(self, provider: SharedCredentialsProvider) -> SharedCredentialsProvider {
        SharedCredentialsProvider::new(ExplainingProvider {
            provider,
            sources: self,
        })
    }
}

/// The paths of the files with profiles, as the AWS CLI determines them.
pub(super) fn profile_files() -> String {
    let file =
        |variable: &str, default: &str| env::var(variable).unwrap_or_else(|_| default.to_owned());
    let config = file("AWS_CONFIG_FILE", "~/.aws/config");
    let credentials = file("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials");
    format!("{config} and {credentials}")
}

impl fmt::Display for CredentialSources {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = profile_files();
        if let Some(name) = &self.profile {
            return write!(
                formatter,
                "the profile '{name}' in {files} has no credentials"
            );
        }
        let name = env::var("AWS_PROFILE").unwrap_or_else(|_| "default".to_owned());
        write!(
            formatter,
            "no credentials were found in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, in the profile \
             '{name}' of {files}, in AWS_WEB_IDENTITY_TOKEN_FILE, or as the role of an ECS, EKS or EC2 \
             machine"
        )
    }
}

impl std::error::Error for CredentialSources {}

#[derive(Debug)]
struct ExplainingProvider {
    provider: SharedCredentialsProvider,
    sources: CredentialSources,
}

impl ProvideCredentials for ExplainingProvider {
    fn provide_credentials<'a>(&'a self) -> Providing<'a>
    where
        Self: 'a,
    {
        Providing::new(async {
            let found = self.provider.provide_credentials().await;
            found.map_err(|error| self.explain(error))
        })
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.provider.fallback_on_interrupt()
    }
}

impl ExplainingProvider {
    /// The SDK searches EC2's metadata service (IMDS) last. Outside of EC2 that fails with an error
    /// about the network, which does not help.
    fn explain(&self, error: CredentialsError) -> CredentialsError {
        let is_metadata_service = DisplayErrorContext(&error).to_string().contains("IMDS");
        match error {
            CredentialsError::CredentialsNotLoaded(_) => {
                CredentialsError::not_loaded(self.sources.clone())
            }
            _ if is_metadata_service && self.sources.profile.is_none() => {
                CredentialsError::not_loaded(self.sources.clone())
            }
            error => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Failing(fn() -> CredentialsError);

    impl ProvideCredentials for Failing {
        fn provide_credentials<'a>(&'a self) -> Providing<'a>
        where
            Self: 'a,
        {
            Providing::ready(Err((self.0)()))
        }
    }

    fn message(profile: Option<&str>, error: fn() -> CredentialsError) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let provider = SharedCredentialsProvider::new(Failing(error));
        let provider = CredentialSources::new(profile).explain(provider);
        let error = runtime
            .expect("a runtime")
            .block_on(provider.provide_credentials())
            .expect_err("it fails");
        std::iter::successors(Some(&error as &dyn std::error::Error), |error| {
            error.source()
        })
        .last()
        .map_or_else(String::new, ToString::to_string)
    }

    #[test]
    fn missing_credentials_name_sources_not_the_metadata_service() {
        for error in [
            || CredentialsError::not_loaded("the credential provider was not enabled"),
            || CredentialsError::provider_error("failed to load IMDS session token"),
        ] {
            let message = message(None, error);
            assert!(message.contains("AWS_ACCESS_KEY_ID"), "{message}");
            assert!(message.contains("credentials"), "{message}");
            assert!(!message.contains("IMDS"), "{message}");
            assert!(!message.contains("not enabled"), "{message}");
        }
    }

    #[test]
    fn profile_without_credentials_is_named() {
        let message = message(Some("theirs"), CredentialsError::not_loaded_no_source);
        assert!(message.contains("the profile 'theirs' in "), "{message}");
        assert!(message.contains("has no credentials"), "{message}");
    }

    #[test]
    fn failure_of_a_configured_source_keeps_its_reason() {
        let message = message(None, || {
            CredentialsError::provider_error("the sign-in has expired")
        });
        assert!(message.contains("the sign-in has expired"), "{message}");
    }
}
