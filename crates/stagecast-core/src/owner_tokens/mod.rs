//! The verification of owner tokens, and what they permit.

mod key_url;
mod remote_keys;

use std::sync::Arc;

use http::uri::{InvalidUri, Uri};
use stagecast_contract::{
    ids::AccessKey,
    owner_tokens::{OwnerClaims, Scope, TokenIssuer, TokenRules},
    timestamp::Timestamp,
};
use token_verifier::{Expected, KeySet, KeySetError, TokenError, Unverified};

use self::key_url::KeyUrl;
pub use self::remote_keys::{FetchError, FetchKeys, KeyDocument, KeysUnavailable, RemoteKeys};
use crate::{
    clock::Clock,
    models::{Job, TokenAccess},
};

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
    keys: IssuerKeys,
}

#[derive(Clone, Debug)]
enum IssuerKeys {
    Listed(Arc<KeySet>),
    /// At a URL, and perhaps also in the setting. The listed ones verify tokens without a fetch.
    Remote {
        listed: Option<Arc<KeySet>>,
        remote: RemoteKeys,
    },
}

impl IssuerKeys {
    fn of(issuer: &TokenIssuer, clock: &Clock) -> Result<Self, InvalidTokenRules> {
        let listed = || {
            let document = serde_json::json!({ "keys": issuer.keys });
            KeySet::parse(&document.to_string()).map(Arc::new)
        };
        let Some(url) = &issuer.keys_url else {
            return Ok(Self::Listed(listed()?));
        };
        let url: Uri = url.parse().map_err(InvalidTokenRules::Url)?;
        let has_listed = !issuer.keys.is_empty();
        Ok(Self::Remote {
            listed: has_listed.then(listed).transpose()?,
            remote: RemoteKeys::new(KeyUrl::new(url), clock.clone()),
        })
    }

    /// The keys for a token with this `kid`.
    async fn for_key(&self, key_id: Option<&str>) -> Result<Arc<KeySet>, KeysUnavailable> {
        match self {
            Self::Listed(keys) => Ok(Arc::clone(keys)),
            Self::Remote { listed, remote } => {
                let listed = listed
                    .as_ref()
                    .filter(|keys| key_id.is_some_and(|id| keys.has(id)));
                match listed {
                    Some(keys) => Ok(Arc::clone(keys)),
                    None => remote.for_key(key_id).await,
                }
            }
        }
    }
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
    /// The URL of its keys is not one.
    #[error("the URL of the keys: {0}")]
    Url(InvalidUri),
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
    /// The keys cannot be fetched at the moment.
    #[error(transparent)]
    KeysUnavailable(#[from] KeysUnavailable),
    /// The token does not have the scope.
    #[error("the token does not have the scope `{}`, which this request needs", .0.name())]
    Scope(Scope),
}

impl OwnerTokenVerifier {
    /// Reads the setting [`OwnerTokens`](stagecast_contract::environment::OwnerTokens). Keys at a URL are fetched with
    /// the first token.
    pub fn parse(setting: &str, clock: &Clock) -> Result<Self, InvalidTokenRules> {
        if setting.is_empty() {
            return Ok(Self::default());
        }
        let rules: TokenRules = serde_json::from_str(setting)?;
        let issuer = rules.issuer.map(|issuer| {
            Ok::<_, InvalidTokenRules>(Issuer {
                keys: IssuerKeys::of(&issuer, clock)?,
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

    /// Verifies a token at `now`, and requires that it has `scope`. Waits for a fetch of the keys if it has to: at most
    /// [3 seconds](RemoteKeys::for_key).
    pub async fn verify(
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
        let token = Unverified::parse(token).map_err(TokenRefusal::Invalid)?;
        let keys = issuer.keys.for_key(token.key_id()).await?;
        let verified = token.verify::<OwnerClaims>(&keys, &expected, now.epoch_seconds());
        let verified = verified.map_err(TokenRefusal::Invalid)?;
        let claims = verified.claims;
        let owner = claims.owner().ok_or(TokenRefusal::InvalidOwner)?.to_owned();
        if !claims.has(scope) {
            return Err(TokenRefusal::Scope(scope));
        }
        Ok(OwnerAccess {
            owner,
            claims,
            expires_at: Timestamp::from_epoch_seconds(verified.expires_at),
        })
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
    expires_at: Timestamp,
}

impl OwnerAccess {
    /// The owner of the jobs.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// `exp` of the token. It is accepted for [`LEEWAY_SECONDS`](token_verifier::LEEWAY_SECONDS) longer.
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
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

impl From<&OwnerAccess> for TokenAccess {
    fn from(access: &OwnerAccess) -> Self {
        Self {
            owner: access.owner.clone(),
            expires_at: access.expires_at.epoch_seconds(),
        }
    }
}
