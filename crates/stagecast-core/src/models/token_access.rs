//! The owner token that has opened a subscription.

use serde::{Deserialize, Serialize};
use stagecast_contract::timestamp::Timestamp;
use token_verifier::LEEWAY_SECONDS;

/// The owner and the expiry of the token that has opened a subscription: an attribute of both items of the
/// subscription. A subscription by an access key has none, and does not expire by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenAccess {
    /// The owner of the token.
    pub owner: String,
    /// `exp` of the token, in epoch seconds.
    pub expires_at: i64,
}

impl TokenAccess {
    /// Whether the token has expired at `now`, with the leeway with which tokens are accepted.
    pub const fn has_expired(&self, now: Timestamp) -> bool {
        now.epoch_seconds() >= self.expires_at.saturating_add(LEEWAY_SECONDS)
    }

    /// `exp` as a timestamp.
    pub const fn expiry(&self) -> Timestamp {
        Timestamp::from_epoch_seconds(self.expires_at)
    }

    /// What a subscription has after a repeated request with `self`: of two tokens of one owner, the one that expires
    /// later.
    #[must_use]
    pub fn replacing(self, earlier: Option<&Self>) -> Self {
        match earlier {
            Some(earlier)
                if earlier.owner == self.owner && earlier.expires_at > self.expires_at =>
            {
                earlier.clone()
            }
            _ => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_epoch_seconds(1_800_000_000);

    fn token(owner: &str, seconds: i64) -> TokenAccess {
        TokenAccess {
            owner: owner.to_owned(),
            expires_at: NOW.plus_seconds(seconds).epoch_seconds(),
        }
    }

    #[test]
    fn token_expires_after_the_leeway() {
        assert!(!token("user-7", -29).has_expired(NOW));
        assert!(token("user-7", -30).has_expired(NOW));
    }

    #[test]
    fn later_token_of_the_same_owner_remains() {
        let (early, late) = (token("user-7", 60), token("user-7", 90));
        assert_eq!(early.clone().replacing(Some(&late)), late);
        assert_eq!(late.clone().replacing(Some(&early)), late);
        assert_eq!(early.clone().replacing(None), early);
        let other = token("user-8", 60);
        assert_eq!(other.clone().replacing(Some(&late)), other);
    }
}
