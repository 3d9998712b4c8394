//! Credentials, and what is said if there are none.

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
use aws_types::os_shim_internal::{Env, Fs};

/// Where credentials are looked for.
#[derive(Clone, Debug)]
pub(super) struct CredentialSources {
    /// The profile that was asked for. Then nothing else is looked at.
    profile: Option<String>,
}

/// A profile that is asked for and missing, or files that cannot be read.
#[derive(Debug)]
pub(super) enum ProfileError {
    /// There is none of this name; those that there are.
    Missing(String, Vec<String>),
    /// The files cannot be read.
    Files(ProfileFileLoadError),
}

impl CredentialSources {
    pub(super) fn new(profile: Option<&str>) -> Self {
        Self {
            profile: profile.map(str::to_owned),
        }
    }

    /// Looks for the profile that is asked for: by an option, or by `AWS_PROFILE`, which keys in the
    /// environment come before.
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

    /// A provider that says where it looked if it finds nothing.
    pub(super) fn explain(self, provider: SharedCredentialsProvider) -> SharedCredentialsProvider {
        SharedCredentialsProvider::new(Explaining {
            provider,
            sources: self,
        })
    }
}

/// The files that profiles are in, as the AWS CLI finds them.
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
struct Explaining {
    provider: SharedCredentialsProvider,
    sources: CredentialSources,
}

impl ProvideCredentials for Explaining {
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

impl Explaining {
    /// The last source that is looked at is the metadata service of EC2, and a machine that is not in
    /// EC2 fails there, with words that have nothing to do with what is missing.
    fn explain(&self, error: CredentialsError) -> CredentialsError {
        let is_last = super::call::chain(&error).contains("IMDS");
        match error {
            CredentialsError::CredentialsNotLoaded(_) => {
                CredentialsError::not_loaded(self.sources.clone())
            }
            _ if is_last && self.sources.profile.is_none() => {
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

    fn said(profile: Option<&str>, error: fn() -> CredentialsError) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let provider = SharedCredentialsProvider::new(Failing(error));
        let provider = CredentialSources::new(profile).explain(provider);
        let error = runtime
            .expect("a runtime")
            .block_on(provider.provide_credentials())
            .expect_err("it fails");
        super::super::call::innermost(&error)
    }

    #[test]
    fn missing_credentials_name_the_sources_and_not_the_metadata_service() {
        for error in [
            || CredentialsError::not_loaded("the credential provider was not enabled"),
            || CredentialsError::provider_error("failed to load IMDS session token"),
        ] {
            let said = said(None, error);
            assert!(said.contains("AWS_ACCESS_KEY_ID"), "{said}");
            assert!(said.contains("credentials"), "{said}");
            assert!(!said.contains("IMDS"), "{said}");
            assert!(!said.contains("not enabled"), "{said}");
        }
    }

    #[test]
    fn profile_without_credentials_is_named() {
        let said = said(Some("theirs"), CredentialsError::not_loaded_no_source);
        assert!(said.contains("the profile 'theirs' in "), "{said}");
        assert!(said.contains("has no credentials"), "{said}");
    }

    #[test]
    fn failure_of_a_source_that_is_set_up_keeps_its_reason() {
        let said = said(None, || {
            CredentialsError::provider_error("the sign-in has expired")
        });
        assert!(said.contains("the sign-in has expired"), "{said}");
    }
}
