//! Owner tokens: JSON Web Tokens that a customer's backend or identity provider signs. They name the owner of jobs, and
//! what their holder may do with the jobs of this owner.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::JobId;

/// Largest value of the setting [`OwnerTokens`](crate::environment::OwnerTokens), in bytes. Lambda allows 4 KB for
/// all variables of a function.
pub const MAX_SETTING_BYTES: usize = 2 * 1024;

/// Longest owner, in bytes: that of the `sub` of an identity provider.
pub const MAX_OWNER_BYTES: usize = 255;

/// The value of the setting [`OwnerTokens`](crate::environment::OwnerTokens).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRules {
    /// Whether the creation of a job requires a token.
    pub is_required: bool,
    /// What verifies tokens. Without it, every token is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<TokenIssuer>,
}

/// The keys of tokens, and for whom the tokens are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenIssuer {
    /// The `aud` of a token.
    pub audience: String,
    /// The `iss` of a token; not checked if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The public keys, as in a JWKS document.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Value>,
    /// The URL of a JWKS document with more public keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys_url: Option<String>,
}

/// What the holder of a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Create jobs, and upload their inputs.
    Create,
    /// Read jobs, and subscribe to them.
    Watch,
    /// Cancel jobs.
    Cancel,
}

impl Scope {
    /// The scope as a token has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Watch => "watch",
            Self::Cancel => "cancel",
        }
    }
}

/// The claims of an owner token, beside those that every token has.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct OwnerClaims {
    sub: String,
    #[serde(default)]
    stagecast: StagecastClaim,
}

/// The claim `stagecast`. Its members limit what the token permits, so an unknown one refuses the token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct StagecastClaim {
    /// Unknown scopes permit nothing.
    #[serde(default)]
    scopes: Vec<String>,
    owner: Option<String>,
    job: Option<JobId>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    queues: Option<Vec<String>>,
}

impl OwnerClaims {
    /// The owner: the claim `stagecast.owner`, or `sub`. None if it is not 1 to [`MAX_OWNER_BYTES`] bytes without
    /// control characters.
    pub fn owner(&self) -> Option<&str> {
        let owner = self.stagecast.owner.as_ref().unwrap_or(&self.sub);
        is_owner(owner).then_some(owner)
    }

    /// Whether the token has the scope.
    pub fn has(&self, scope: Scope) -> bool {
        let mut scopes = self.stagecast.scopes.iter();
        scopes.any(|it| it == scope.name())
    }

    /// The only job to which the token gives access, if it is limited to one.
    pub fn job(&self) -> Option<&JobId> {
        self.stagecast.job.as_ref()
    }

    /// The labels that each job of the token has.
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.stagecast.labels
    }

    /// Whether the token creates jobs in the queue; [`PIPELINE_QUEUE`](crate::worker_queues::PIPELINE_QUEUE) is that of the pipeline. None is the job of an
    /// external worker with its key, which a token for certain queues does not create.
    pub fn allows_queue(&self, queue: Option<&str>) -> bool {
        let Some(queues) = &self.stagecast.queues else {
            return true;
        };
        queue.is_some_and(|queue| queues.iter().any(|it| it == queue))
    }

    /// The queues to which the token is limited.
    pub fn queues(&self) -> Option<&[String]> {
        self.stagecast.queues.as_deref()
    }
}

/// Whether `owner` can be the owner of jobs.
pub fn is_owner(owner: &str) -> bool {
    (1..=MAX_OWNER_BYTES).contains(&owner.len()) && !owner.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(claims: &Value) -> OwnerClaims {
        serde_json::from_value(claims.clone()).expect("claims")
    }

    #[test]
    fn owner_is_that_of_the_claim_or_the_subject() {
        let backend = claims(&json!({ "sub": "backend", "stagecast": { "owner": "user-7" } }));
        assert_eq!(backend.owner(), Some("user-7"));
        assert_eq!(claims(&json!({ "sub": "user-8" })).owner(), Some("user-8"));
        for owner in ["", "a\nb", &"x".repeat(256)] {
            assert_eq!(claims(&json!({ "sub": owner })).owner(), None, "{owner}");
        }
    }

    #[test]
    fn token_permits_only_its_scopes_and_queues() {
        let narrow = claims(&json!({
            "sub": "user-7",
            "stagecast": { "scopes": ["watch", "later"], "queues": ["plans", "default"] },
        }));
        assert!(narrow.has(Scope::Watch) && !narrow.has(Scope::Create));
        assert!(narrow.allows_queue(Some("plans")) && narrow.allows_queue(Some("default")));
        assert!(!narrow.allows_queue(Some("gpu")) && !narrow.allows_queue(None));
        let wide = claims(&json!({ "sub": "user-7" }));
        assert!(wide.allows_queue(Some("gpu")) && wide.allows_queue(None));
        assert!(!wide.has(Scope::Watch));
    }

    #[test]
    fn unknown_limit_refuses_the_claims() {
        let unknown = json!({ "sub": "user-7", "stagecast": { "max_jobs": 1 } });
        assert!(serde_json::from_value::<OwnerClaims>(unknown).is_err());
    }
}
