//! When the keys at a URL are fetched, and which keys verify tokens until then.

use std::{sync::Arc, time::Duration};

use crate::key_set::KeySet;

/// The cache of a key set that is fetched from a URL: a state machine without a clock, input and output.
///
/// The caller looks a key up, starts a fetch if [`Lookup`] asks for one and [`Self::start`] permits it, and reports the
/// result with [`Self::succeeded`] or [`Self::failed`]. Each `now` is in epoch seconds.
#[derive(Clone, Debug, Default)]
pub struct KeyCache {
    cached: Option<Cached>,
    is_fetching: bool,
    /// Fetches that have failed since the last one that succeeded.
    failures: u32,
    /// When the next fetch after a failed one may start.
    retry_at: i64,
}

#[derive(Clone, Debug)]
struct Cached {
    keys: Arc<KeySet>,
    fetched_at: i64,
    fresh_until: i64,
}

/// The keys for a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Verify with these keys.
    Use(Arc<KeySet>),
    /// Fetch the keys again. Wait for at most [`KeyCache::MAX_REVALIDATION_WAIT`], then verify with the newest keys:
    /// these, unless the fetch has succeeded.
    Revalidate(Arc<KeySet>),
    /// Fetch the keys, wait for the result, and look the key up again.
    Fetch,
    /// The keys could not be fetched. No fetch starts within this number of seconds.
    Unavailable(i64),
}

impl KeyCache {
    /// How long keys are fresh if the response does not say it, in seconds.
    pub const DEFAULT_FRESH_SECONDS: i64 = 600;
    /// The shortest time that keys are fresh, in seconds, whatever the response says.
    pub const MIN_FRESH_SECONDS: i64 = 60;
    /// The longest time that keys are fresh, in seconds.
    pub const MAX_FRESH_SECONDS: i64 = 24 * 3600;
    /// How long keys verify tokens after they were fresh, while they cannot be fetched, in seconds.
    pub const MAX_STALE_SECONDS: i64 = 24 * 3600;
    /// The time from a fetch that succeeded to the next one for an unknown `kid`, in seconds.
    pub const UNKNOWN_KEY_INTERVAL_SECONDS: i64 = 30;
    /// The time from a fetch that failed to the next one, in seconds. It doubles with each failure, up to
    /// [`Self::MAX_RETRY_SECONDS`].
    pub const MIN_RETRY_SECONDS: i64 = 5;
    /// The longest time from a fetch that failed to the next one, in seconds.
    pub const MAX_RETRY_SECONDS: i64 = 60;
    /// How long a request waits for fresh keys while it could be served with stale ones.
    pub const MAX_REVALIDATION_WAIT: Duration = Duration::from_secs(1);

    /// The keys for a token with the `kid` `key_id`.
    pub fn look_up(&self, key_id: Option<&str>, now: i64) -> Lookup {
        let may_fetch = self.is_fetching || now >= self.retry_at;
        let fetch_or = |other: Lookup| if may_fetch { Lookup::Fetch } else { other };
        let unavailable = || Lookup::Unavailable((self.retry_at - now).max(1));
        let Some(cached) = self.usable(now) else {
            return fetch_or(unavailable());
        };
        let keys = Arc::clone(&cached.keys);
        if key_id.is_some_and(|id| !keys.has(id)) {
            let fetched_recently = now < cached.fetched_at + Self::UNKNOWN_KEY_INTERVAL_SECONDS;
            return match self.failures {
                0 if fetched_recently => Lookup::Use(keys),
                0 => Lookup::Fetch,
                // The issuer may have published this key in the meantime.
                _ => fetch_or(unavailable()),
            };
        }
        if now >= cached.fresh_until && may_fetch {
            Lookup::Revalidate(keys)
        } else {
            Lookup::Use(keys)
        }
    }

    fn usable(&self, now: i64) -> Option<&Cached> {
        let cached = self.cached.as_ref();
        cached.filter(|cached| now < cached.fresh_until + Self::MAX_STALE_SECONDS)
    }

    /// Starts a fetch. False if one is running: the caller waits for its result instead.
    pub fn start(&mut self) -> bool {
        !std::mem::replace(&mut self.is_fetching, true)
    }

    /// Records the keys of a fetch. `max_age` is that of the response's `Cache-Control`, in seconds.
    pub fn succeeded(&mut self, keys: KeySet, max_age: Option<i64>, now: i64) {
        let fresh = max_age.unwrap_or(Self::DEFAULT_FRESH_SECONDS);
        let fresh = fresh.clamp(Self::MIN_FRESH_SECONDS, Self::MAX_FRESH_SECONDS);
        *self = Self {
            cached: Some(Cached {
                keys: Arc::new(keys),
                fetched_at: now,
                fresh_until: now + fresh,
            }),
            ..Self::default()
        };
    }

    /// Records that a fetch failed, or that its document was refused. The keys of the last one remain.
    pub fn failed(&mut self, now: i64) {
        let doubled = Self::MIN_RETRY_SECONDS << self.failures.min(8);
        self.is_fetching = false;
        self.failures = self.failures.saturating_add(1);
        self.retry_at = now + doubled.min(Self::MAX_RETRY_SECONDS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;
    const HOUR: i64 = 3600;

    fn keys(id: &str) -> KeySet {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let key = serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "kid": id, "x": x });
        KeySet::parse(&serde_json::json!({ "keys": [key] }).to_string()).expect("a key")
    }

    fn cached(max_age: Option<i64>) -> KeyCache {
        let mut cache = KeyCache::default();
        cache.succeeded(keys("1"), max_age, NOW);
        cache
    }

    fn used(id: &str) -> Lookup {
        Lookup::Use(Arc::new(keys(id)))
    }

    fn revalidated(id: &str) -> Lookup {
        Lookup::Revalidate(Arc::new(keys(id)))
    }

    #[test]
    fn first_lookup_fetches_and_one_fetch_runs_at_a_time() {
        let mut cache = KeyCache::default();
        assert_eq!(cache.look_up(Some("1"), NOW), Lookup::Fetch);
        assert!(cache.start());
        assert_eq!(cache.look_up(None, NOW), Lookup::Fetch);
        assert!(!cache.start());
        cache.succeeded(keys("1"), None, NOW);
        assert_eq!(cache.look_up(Some("1"), NOW), used("1"));
        assert_eq!(cache.look_up(None, NOW), used("1"));
        assert!(cache.start());
    }

    #[test]
    fn keys_are_fresh_for_max_age_within_bounds() {
        for (max_age, fresh) in [
            (None, 600),
            (Some(0), 60),
            (Some(-1), 60),
            (Some(HOUR), HOUR),
            (Some(i64::MAX), 24 * HOUR),
        ] {
            let cache = cached(max_age);
            assert_eq!(cache.look_up(Some("1"), NOW + fresh - 1), used("1"));
            assert_eq!(cache.look_up(Some("1"), NOW + fresh), revalidated("1"));
        }
    }

    #[test]
    fn stale_keys_are_used_while_fetches_fail_for_a_day() {
        let mut cache = cached(Some(60));
        let stale = NOW + 60;
        assert!(cache.start());
        assert_eq!(cache.look_up(Some("1"), stale), revalidated("1"));
        cache.failed(stale);
        assert_eq!(cache.look_up(Some("1"), stale + 4), used("1"));
        assert_eq!(cache.look_up(Some("1"), stale + 5), revalidated("1"));
        let end = stale + 24 * HOUR;
        assert_eq!(cache.look_up(Some("1"), end - 1), revalidated("1"));
        assert_eq!(cache.look_up(Some("1"), end), Lookup::Fetch);
        cache.failed(end);
        assert_eq!(cache.look_up(Some("1"), end), Lookup::Unavailable(10));
        cache.succeeded(keys("2"), None, end + 10);
        assert_eq!(cache.look_up(Some("2"), end + 10), used("2"));
    }

    #[test]
    fn retries_wait_longer_after_each_failure_up_to_a_minute() {
        let mut cache = KeyCache::default();
        for wait in [5, 10, 20, 40, 60, 60] {
            cache.failed(NOW);
            assert_eq!(cache.look_up(None, NOW), Lookup::Unavailable(wait));
            assert_eq!(cache.look_up(None, NOW + wait), Lookup::Fetch);
        }
        cache.failures = u32::MAX;
        cache.failed(NOW);
        assert_eq!(cache.look_up(None, NOW), Lookup::Unavailable(60));
    }

    #[test]
    fn unknown_key_fetches_once_in_thirty_seconds() {
        let mut cache = cached(Some(HOUR));
        assert_eq!(cache.look_up(Some("2"), NOW + 29), used("1"));
        assert_eq!(cache.look_up(Some("2"), NOW + 30), Lookup::Fetch);
        cache.succeeded(keys("1"), Some(HOUR), NOW + 30);
        assert_eq!(cache.look_up(Some("2"), NOW + 59), used("1"));
        cache.succeeded(keys("2"), Some(HOUR), NOW + 60);
        assert_eq!(cache.look_up(Some("2"), NOW + 60), used("2"));
        assert_eq!(cache.look_up(Some("1"), NOW + 60), used("2"));
    }

    #[test]
    fn unknown_key_is_unavailable_while_fetches_fail_and_known_keys_are_used() {
        let mut cache = cached(Some(HOUR));
        cache.start();
        cache.failed(NOW + 30);
        assert_eq!(cache.look_up(Some("2"), NOW + 31), Lookup::Unavailable(4));
        assert_eq!(cache.look_up(Some("1"), NOW + 31), used("1"));
        assert_eq!(cache.look_up(Some("2"), NOW + 35), Lookup::Fetch);
    }

    #[test]
    fn lookup_during_a_fetch_waits_for_its_result() {
        let mut cache = cached(Some(60));
        cache.failed(NOW + 60);
        cache.start();
        assert_eq!(cache.look_up(Some("1"), NOW + 61), revalidated("1"));
        assert_eq!(cache.look_up(Some("2"), NOW + 61), Lookup::Fetch);
    }
}
