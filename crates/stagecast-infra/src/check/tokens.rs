//! Environments in which no job could be created, or no token verified.

use super::finding::Finding;
use crate::environments::{Environment, JobCreation, OwnerTokens};

/// A note on an environment whose keys are at a URL of the developer's machine, which only the local stack can
/// use.
pub fn local_keys(environment: &Environment) -> Option<Finding> {
    let tokens = environment.tokens.as_ref();
    let is_local = tokens.is_some_and(OwnerTokens::are_local);
    is_local.then(|| {
        Finding::note(
            environment.name,
            "the keys of `tokens` are at a URL of this machine, from which functions in AWS cannot fetch them: give an \
             https:// URL, or list the keys",
        )
    })
}

/// The problem of an environment whose jobs only holders of tokens can create, without keys that verify tokens.
pub fn missing_tokens(environment: &Environment) -> Option<Finding> {
    let is_missing = environment.job_creation == JobCreation::TokenHolders
        && environment.tokens.is_none()
        && environment.job_authorizer.is_none();
    is_missing.then(|| {
        Finding::problem(
            environment.name,
            "only holders of tokens can create jobs, and no key verifies tokens: set `tokens` to the public keys of \
             your backend or identity provider, or `job_authorizer`; or let strangers create jobs, with \
             `job_creation: JobCreation::Anyone`",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environments::JwtAuthorizer;

    #[test]
    fn production_needs_tokens_an_authorizer_or_a_decision() {
        assert_eq!(missing_tokens(&Environment::dev()), None);
        let prod = Environment::prod();
        let problem = missing_tokens(&prod).expect("a problem");
        assert_eq!(problem.subject, "prod");
        let keys = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
        for decided in [
            Environment {
                tokens: Some(OwnerTokens::new("stagecast", keys).expect("valid")),
                ..prod.clone()
            },
            Environment {
                job_authorizer: Some(
                    JwtAuthorizer::new("https://login.example.com", &["stagecast"]).expect("valid"),
                ),
                ..prod.clone()
            },
            Environment {
                job_creation: JobCreation::Anyone,
                ..prod
            },
        ] {
            assert_eq!(missing_tokens(&decided), None);
        }
    }

    #[test]
    fn keys_on_this_machine_are_reported() {
        let with = |url| Environment {
            tokens: Some(OwnerTokens::with_keys_at("stagecast", url).expect("valid")),
            ..Environment::prod()
        };
        let note = local_keys(&with("http://127.0.0.1:8080/keys")).expect("a note");
        assert_eq!(note.subject, "prod");
        assert_eq!(local_keys(&with("https://login.example.com/keys")), None);
        assert_eq!(local_keys(&Environment::prod()), None);
    }
}
