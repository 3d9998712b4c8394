//! The verification of owner tokens, and what they permit.

use stagecast_contract::{
    ids::AccessKey,
    owner_tokens::{OwnerClaims, Scope, TokenRules},
    timestamp::Timestamp,
};
use token_verifier::{Expected, KeySet, KeySetError, TokenError, verify};

use crate::models::Job;

/// The rules and keys of an environment.
#[derive(Clone, Debug, Default)]
pub struct OwnerTokenVerifier {
    is_required: bool,
    issuer: Option<Issuer>,
}

#[derive(Clone, Debug)]
struct Issuer {
    audience: String,
    /// The `iss` of tokens.
    name: Option<String>,
    keys: KeySet,
}

/// The setting is not valid.
#[derive(Debug, thiserror::Error)]
pub enum InvalidTokenRules {
    /// It is not what the template writes.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// Its keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeySetError),
}

/// Why a request with an owner token is refused. The text contains nothing of the token but its owner's claims.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    /// The token is not valid.
    #[error("the token is not valid: {0}; get a new one from the application that issues them")]
    Invalid(TokenError),
    /// The owner cannot be one.
    #[error(
        "the token is not valid: its owner, `stagecast.owner` or `sub`, must have 1 to 255 bytes and no control \
         characters"
    )]
    InvalidOwner,
    /// The environment lists no keys.
    #[error(
        "the environment lists no keys of owner tokens: the operator sets `tokens` where the project declares its \
         environments"
    )]
    NoKeys,
    /// The token does not have the scope.
    #[error("the token does not have the scope `{}`, which this request needs", .0.name())]
    Scope(Scope),
}

impl OwnerTokenVerifier {
    /// Reads the setting [`OwnerTokens`](stagecast_contract::environment::OwnerTokens).
    pub fn parse(setting: &str) -> Result<Self, InvalidTokenRules> {
        if setting.is_empty() {
            return Ok(Self::default());
        }
        let rules: TokenRules = serde_json::from_str(setting)?;
        let issuer = rules.issuer.map(|issuer| {
            let document = serde_json::json!({ "keys": issuer.keys });
            Ok::<_, KeySetError>(Issuer {
                keys: KeySet::parse(&document.to_string())?,
                audience: issuer.audience,
                name: issuer.issuer,
            })
        });
        Ok(Self {
            is_required: rules.is_required,
            issuer: issuer.transpose()?,
        })
    }

    /// Whether the creation of a job requires a token.
    pub const fn is_required(&self) -> bool {
        self.is_required
    }

    /// Whether the environment has keys, so that a request can have a token.
    pub const fn has_keys(&self) -> bool {
        self.issuer.is_some()
    }

    /// Whether `bearer` is a token, and not one of a job's keys, which have no dots. False without keys of tokens.
    pub fn is_token(&self, bearer: &str) -> bool {
        self.has_keys() && bearer.contains('.')
    }

    /// Verifies a token at `now`, and requires that it has `scope`.
    pub fn verify(
        &self,
        token: &str,
        scope: Scope,
        now: Timestamp,
    ) -> Result<OwnerAccess, TokenRefusal> {
        let issuer = self.issuer.as_ref().ok_or(TokenRefusal::NoKeys)?;
        let expected = Expected {
            audience: &issuer.audience,
            issuer: issuer.name.as_deref(),
        };
        let verified = verify::<OwnerClaims>(token, &issuer.keys, &expected, now.epoch_seconds())
            .map_err(TokenRefusal::Invalid)?;
        let claims = verified.claims;
        let owner = claims.owner().ok_or(TokenRefusal::InvalidOwner)?.to_owned();
        if !claims.has(scope) {
            return Err(TokenRefusal::Scope(scope));
        }
        Ok(OwnerAccess { owner, claims })
    }
}

/// What opens a job.
#[derive(Clone, Copy, Debug)]
pub enum JobCredential<'a> {
    /// A key that a client sent.
    AccessKey(&'a AccessKey),
    /// A verified token.
    Token(&'a OwnerAccess),
}

impl JobCredential<'_> {
    /// Whether it opens this job.
    pub fn opens(self, job: &Job) -> bool {
        match self {
            Self::AccessKey(key) => job.verify_access_key(key),
            Self::Token(access) => access.includes(job),
        }
    }
}

/// What a verified token permits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerAccess {
    owner: String,
    claims: OwnerClaims,
}

impl OwnerAccess {
    /// The owner of the jobs.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The claims of the token.
    pub const fn claims(&self) -> &OwnerClaims {
        &self.claims
    }

    /// Whether the token gives access to the job: the job has the token's owner and labels, and is the token's job
    /// if it is limited to one.
    pub fn includes(&self, job: &Job) -> bool {
        let is_job = self.claims.job().is_none_or(|it| *it == job.job_id);
        let mut labels = self.claims.labels().iter();
        job.owner.as_ref() == Some(&self.owner)
            && is_job
            && labels.all(|(name, value)| job.labels.get(name) == Some(value))
    }
}
