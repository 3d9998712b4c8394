//! Keeps values of secrets for a time, so that a function does not read them for each event.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::Mutex as AsyncMutex, time::Instant};

use crate::{SecretError, SecretValue};

/// How long a value is used before it is read again.
pub(crate) const TIME_TO_LIVE: Duration = Duration::from_mins(5);

/// Values by name. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct SecretCache {
    slots: Arc<Mutex<BTreeMap<String, Slot>>>,
    time_to_live: Duration,
}

/// A value and when it was read; locked while it is read, so that concurrent callers make one call.
type Slot = Arc<AsyncMutex<Option<(SecretValue, Instant)>>>;

impl Default for SecretCache {
    fn default() -> Self {
        Self {
            slots: Arc::default(),
            time_to_live: TIME_TO_LIVE,
        }
    }
}

impl SecretCache {
    pub(crate) fn with_time_to_live(self, time_to_live: Duration) -> Self {
        Self {
            time_to_live,
            ..self
        }
    }

    fn slot(&self, name: &str) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(name.to_owned()).or_default())
    }

    /// The value from the cache, or the one that `read` returns if that is too old. If `read` fails for a
    /// reason that leaves the old value valid, that is returned and read again at the next call.
    pub(crate) async fn get(
        &self,
        name: &str,
        read: impl Future<Output = Result<SecretValue, SecretError>>,
    ) -> Result<SecretValue, SecretError> {
        let slot = self.slot(name);
        let mut slot = slot.lock().await;
        if let Some((value, at)) = &*slot
            && at.elapsed() < self.time_to_live
        {
            return Ok(value.clone());
        }
        match (read.await, &*slot) {
            (Ok(value), _) => {
                *slot = Some((value.clone(), Instant::now()));
                Ok(value)
            }
            (Err(error), Some((value, _))) if error.leaves_value_valid() => {
                tracing::warn!(%error, "the value that was read before is used");
                Ok(value.clone())
            }
            (Err(error), _) => {
                *slot = None;
                Err(error)
            }
        }
    }

    /// The value that `read` returns, unless the value has been replaced since `rejected` was returned.
    pub(crate) async fn replace(
        &self,
        name: &str,
        rejected: &SecretValue,
        read: impl Future<Output = Result<SecretValue, SecretError>>,
    ) -> Result<SecretValue, SecretError> {
        let slot = self.slot(name);
        let mut slot = slot.lock().await;
        if let Some((value, _)) = &*slot
            && value.expose() != rejected.expose()
        {
            return Ok(value.clone());
        }
        let value = read.await?;
        *slot = Some((value.clone(), Instant::now()));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};

    use super::*;

    fn read(text: &str) -> Ready<Result<SecretValue, SecretError>> {
        ready(Ok(SecretValue::new(text.to_owned())))
    }

    fn fail(cause: &str) -> Ready<Result<SecretValue, SecretError>> {
        ready(Err(SecretError::Failed {
            kind: "secret",
            name: "key".to_owned(),
            cause: cause.to_owned(),
        }))
    }

    async fn get(
        cache: &SecretCache,
        read: impl Future<Output = Result<SecretValue, SecretError>>,
    ) -> Result<String, String> {
        let value = cache.get("key", read).await;
        let value = value.map(|value| value.expose().to_owned());
        value.map_err(|error| error.to_string())
    }

    #[tokio::test(start_paused = true)]
    async fn value_is_read_again_after_its_time_to_live() {
        let cache = SecretCache::default();
        assert_eq!(get(&cache, read("old")).await.unwrap(), "old");
        let second = Duration::from_secs(1);
        tokio::time::advance(TIME_TO_LIVE.saturating_sub(second)).await;
        assert_eq!(get(&cache, read("new")).await.unwrap(), "old");
        tokio::time::advance(second).await;
        assert_eq!(get(&cache, read("new")).await.unwrap(), "new");
    }

    #[tokio::test(start_paused = true)]
    async fn old_value_is_used_while_the_service_fails() {
        let cache = SecretCache::default();
        get(&cache, read("old")).await.unwrap();
        tokio::time::advance(TIME_TO_LIVE).await;
        assert_eq!(get(&cache, fail("timeout")).await.unwrap(), "old");
        assert_eq!(get(&cache, read("new")).await.unwrap(), "new");
    }

    #[tokio::test(start_paused = true)]
    async fn old_value_is_dropped_after_the_permission_was_removed() {
        let cache = SecretCache::default();
        get(&cache, read("old")).await.unwrap();
        tokio::time::advance(TIME_TO_LIVE).await;
        let denied = "unhandled error (AccessDeniedException)";
        get(&cache, fail(denied)).await.unwrap_err();
        get(&cache, fail("timeout")).await.unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn concurrent_callers_read_a_value_once() {
        let cache = SecretCache::default();
        let slow = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            read("one").await
        };
        let (one, other) = tokio::join!(get(&cache, slow), get(&cache, read("other")));
        assert_eq!((one.unwrap(), other.unwrap()), ("one".into(), "one".into()));
    }

    #[tokio::test(start_paused = true)]
    async fn rejected_value_is_replaced_once() {
        let cache = SecretCache::default();
        let old = cache.get("key", read("old")).await.unwrap();
        let new = cache.replace("key", &old, read("new")).await.unwrap();
        assert_eq!(new.expose(), "new");
        let again = cache.replace("key", &old, fail("a second call")).await;
        assert_eq!(again.unwrap().expose(), "new");
    }
}
