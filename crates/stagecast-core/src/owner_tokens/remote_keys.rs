//! The keys of owner tokens at a URL, cached in the process.

use std::{
    fmt::Debug,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use token_verifier::{KeyCache, KeySet, KeySetError, Lookup};
use tokio::sync::Notify;

use crate::clock::Clock;

/// How long a fetch takes at most, from the connection to the last byte. A request waits that long, if no key can
/// verify its token before.
pub(super) const MAX_FETCH: Duration = Duration::from_secs(3);

/// How long a connection takes at most, without TLS.
pub(super) const MAX_CONNECT: Duration = Duration::from_secs(2);

/// Fetches the document of keys.
pub trait FetchKeys: Debug + Send + Sync + 'static {
    /// The document. The caller limits the time.
    fn fetch(&self) -> BoxFuture<'_, Result<KeyDocument, FetchError>>;
}

/// A document of keys as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDocument {
    /// The JWKS document.
    pub body: String,
    /// `max-age` of the response's `Cache-Control`, in seconds.
    pub max_age: Option<i64>,
}

/// Why the keys were not fetched. For the log; clients receive [`KeysUnavailable`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The response was not complete in time.
    #[error("no complete response within {} seconds", MAX_FETCH.as_secs())]
    Timeout,
    /// The request failed, or its response is not a document.
    #[error("{0}")]
    Failed(String),
    /// The document is not used.
    #[error(transparent)]
    Document(#[from] KeySetError),
}

/// The keys that a token needs cannot be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the keys of owner tokens cannot be fetched, so the token cannot be verified now; try again in \
     {retry_after_seconds} seconds"
)]
pub struct KeysUnavailable {
    /// The seconds after which the keys are fetched again, at least 1.
    pub retry_after_seconds: i64,
}

/// A key set at a URL. Clones share the cache.
#[derive(Clone, Debug)]
pub struct RemoteKeys {
    fetch: Arc<dyn FetchKeys>,
    cache: Arc<Mutex<KeyCache>>,
    /// Notified when a fetch has ended.
    fetched: Arc<Notify>,
    /// The time of day. A monotonic clock may not count the time that Lambda freezes the process.
    clock: Clock,
}

impl RemoteKeys {
    /// An empty cache. The first token fetches the keys.
    pub fn new(fetch: impl FetchKeys, clock: Clock) -> Self {
        Self {
            fetch: Arc::new(fetch),
            cache: Arc::default(),
            fetched: Arc::default(),
            clock,
        }
    }

    /// The keys for a token with this `kid`. Waits for a fetch if no key can verify the token before, and for a
    /// bounded time if the keys are stale.
    ///
    /// A fetch is a separate task: it goes on when the request that has started it does not wait any more, in
    /// Lambda with the next request of the process.
    pub async fn for_key(&self, key_id: Option<&str>) -> Result<Arc<KeySet>, KeysUnavailable> {
        // Created before the look-up, so that it also notices a fetch that ends right after it.
        let fetched = self.fetched.notified();
        let stale = match self.look_up_or_start(key_id) {
            Lookup::Use(keys) => return Ok(keys),
            Lookup::Unavailable(seconds) => return Err(unavailable(seconds)),
            Lookup::Revalidate(keys) => {
                // Elapsed or not: the next look-up finds the newest keys.
                let _ = tokio::time::timeout(KeyCache::MAX_REVALIDATION_WAIT, fetched).await;
                Some(keys)
            }
            Lookup::Fetch => {
                fetched.await;
                None
            }
        };
        match (self.look_up(key_id), stale) {
            (Lookup::Use(keys) | Lookup::Revalidate(keys), _)
            | (Lookup::Fetch | Lookup::Unavailable(_), Some(keys)) => Ok(keys),
            (Lookup::Fetch, None) => Err(unavailable(1)),
            (Lookup::Unavailable(seconds), None) => Err(unavailable(seconds)),
        }
    }

    fn look_up(&self, key_id: Option<&str>) -> Lookup {
        self.lock().look_up(key_id, self.now())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "no request depends on the end of a fetch that Lambda freezes: it goes on with the next one"
    )]
    fn look_up_or_start(&self, key_id: Option<&str>) -> Lookup {
        let mut cache = self.lock();
        let lookup = cache.look_up(key_id, self.now());
        let is_needed = matches!(lookup, Lookup::Fetch | Lookup::Revalidate(_));
        if is_needed && cache.start() {
            tokio::spawn(self.clone().run());
        }
        lookup
    }

    async fn run(self) {
        let mut fetching = Fetching {
            remote: &self,
            result: Err(FetchError::Failed("the fetch was aborted".to_owned())),
        };
        fetching.result = match tokio::time::timeout(MAX_FETCH, self.fetch.fetch()).await {
            Ok(Ok(document)) => KeySet::parse(&document.body)
                .map(|keys| (keys, document.max_age))
                .map_err(FetchError::Document),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(FetchError::Timeout),
        };
    }

    fn now(&self) -> i64 {
        self.clock.now().epoch_seconds()
    }

    fn lock(&self) -> MutexGuard<'_, KeyCache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn unavailable(retry_after_seconds: i64) -> KeysUnavailable {
    KeysUnavailable {
        retry_after_seconds,
    }
}

/// A running fetch. Its end is recorded in any case, because no other one starts before.
struct Fetching<'a> {
    remote: &'a RemoteKeys,
    result: Result<(KeySet, Option<i64>), FetchError>,
}

impl Drop for Fetching<'_> {
    fn drop(&mut self) {
        let now = self.remote.now();
        let aborted = Err(FetchError::Timeout);
        match std::mem::replace(&mut self.result, aborted) {
            Ok((keys, max_age)) => {
                tracing::info!(?keys, "the keys of owner tokens were fetched");
                self.remote.lock().succeeded(keys, max_age, now);
            }
            Err(error) => {
                tracing::error!(%error, "the keys of owner tokens could not be fetched");
                self.remote.lock().failed(now);
            }
        }
        self.remote.fetched.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use serde_json::{Value, json};
    use stagecast_contract::timestamp::Timestamp;

    use super::*;

    const START: Timestamp = Timestamp::from_epoch_seconds(1_800_000_000);

    /// Answers fetches from a list; hangs once it is empty.
    #[derive(Debug, Default)]
    struct Script {
        answers: Mutex<VecDeque<Result<KeyDocument, FetchError>>>,
        fetches: AtomicUsize,
    }

    impl FetchKeys for Arc<Script> {
        fn fetch(&self) -> BoxFuture<'_, Result<KeyDocument, FetchError>> {
            self.fetches.fetch_add(1, Ordering::SeqCst);
            let next = self.answers.lock().expect("no panic").pop_front();
            Box::pin(async move {
                match next {
                    Some(answer) => answer,
                    None => std::future::pending().await,
                }
            })
        }
    }

    impl Script {
        fn fetches(&self) -> usize {
            self.fetches.load(Ordering::SeqCst)
        }

        fn then(&self, answer: Result<KeyDocument, FetchError>) {
            self.answers.lock().expect("no panic").push_back(answer);
        }
    }

    fn key(id: &str) -> Value {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": id, "x": x })
    }

    fn document(keys: &[Value]) -> KeyDocument {
        KeyDocument {
            body: json!({ "keys": keys }).to_string(),
            max_age: Some(300),
        }
    }

    fn failed() -> Result<KeyDocument, FetchError> {
        Err(FetchError::Failed("connection refused".to_owned()))
    }

    fn remote(answers: Vec<Result<KeyDocument, FetchError>>) -> (RemoteKeys, Arc<Script>, Clock) {
        let script = Arc::new(Script {
            answers: Mutex::new(answers.into()),
            fetches: AtomicUsize::new(0),
        });
        let clock = Clock::standing_at(START);
        let remote = RemoteKeys::new(Arc::clone(&script), clock.clone());
        (remote, script, clock)
    }

    #[tokio::test(start_paused = true)]
    async fn keys_are_fetched_once_for_many_tokens_and_again_after_a_rotation() {
        let rotated = Ok(document(&[key("1"), key("2")]));
        let (remote, script, clock) = remote(vec![Ok(document(&[key("1")])), rotated]);
        let tokens = (0..50).map(|_| remote.for_key(Some("1")));
        for keys in futures_util::future::join_all(tokens).await {
            assert!(keys.expect("fetched").has("1"));
        }
        assert_eq!(script.fetches(), 1);

        clock.advance(30);
        let keys = remote.for_key(Some("2")).await.expect("fetched again");
        assert!(keys.has("2"));
        assert_eq!(script.fetches(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn storm_of_unknown_keys_fetches_once_in_thirty_seconds() {
        let (remote, script, clock) = remote(vec![
            Ok(document(&[key("1")])),
            Ok(document(&[key("1")])),
            Ok(document(&[key("1")])),
        ]);
        for second in 0..60 {
            for id in ["a", "b", "c"] {
                let id = format!("{id}{second}");
                let keys = remote.for_key(Some(&id)).await.expect("the known keys");
                assert!(!keys.has(&id));
            }
            clock.advance(1);
        }
        assert_eq!(script.fetches(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn failed_fetch_keeps_the_keys_and_hides_its_cause() {
        let (remote, script, clock) = remote(vec![Ok(document(&[key("1")])), failed()]);
        remote.for_key(Some("1")).await.expect("fetched");
        clock.advance(300);
        let keys = remote.for_key(Some("1")).await.expect("stale keys");
        assert!(keys.has("1"));
        assert_eq!(script.fetches(), 2);
        let error = remote.for_key(Some("2")).await.expect_err("unknown");
        assert_eq!(error.retry_after_seconds, 5);
        assert!(!error.to_string().contains("refused"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn first_fetch_that_fails_refuses_tokens_until_the_next_one() {
        let (remote, script, clock) = remote(vec![failed(), Ok(document(&[key("1")]))]);
        for _ in 0..3 {
            remote.for_key(Some("1")).await.expect_err("no keys");
        }
        assert_eq!(script.fetches(), 1);
        clock.advance(5);
        remote.for_key(Some("1")).await.expect("fetched");
    }

    #[tokio::test(start_paused = true)]
    async fn hanging_fetch_delays_stale_keys_for_a_second_and_first_keys_for_three() {
        let (remote, script, clock) = remote(vec![Ok(document(&[key("1")]))]);
        remote.for_key(Some("1")).await.expect("fetched");
        clock.advance(300);
        let start = tokio::time::Instant::now();
        remote.for_key(Some("1")).await.expect("stale keys");
        assert_eq!(start.elapsed(), KeyCache::MAX_REVALIDATION_WAIT);
        assert_eq!(script.fetches(), 2);

        let (remote, script, _clock) = self::remote(Vec::new());
        let start = tokio::time::Instant::now();
        remote.for_key(Some("1")).await.expect_err("no keys");
        assert_eq!(start.elapsed(), MAX_FETCH);
        assert_eq!(script.fetches(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn revalidation_goes_on_after_the_request_that_started_it() {
        let (remote, script, clock) = remote(vec![Ok(document(&[key("1")]))]);
        remote.for_key(Some("1")).await.expect("fetched");
        clock.advance(300);
        remote.for_key(Some("1")).await.expect("stale keys");
        // The hanging fetch fails 2 seconds later, and another one succeeds.
        script.then(Ok(document(&[key("2")])));
        tokio::time::sleep(MAX_FETCH).await;
        clock.advance(5);
        let keys = remote.for_key(Some("2")).await.expect("fetched");
        assert!(keys.has("2") && !keys.has("1"));
        assert_eq!(script.fetches(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn document_with_a_secret_key_or_without_a_usable_one_is_refused() {
        let mut private = key("2");
        private["d"] = json!("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
        let symmetric = json!({ "kty": "oct", "kid": "3", "k": "c2VjcmV0" });
        let large = vec![json!({ "kty": "OKP", "pad": "x".repeat(64 * 1024) })];
        let many: Vec<_> = (0..101).map(|id| key(&id.to_string())).collect();
        for refused in [
            vec![key("1"), private],
            vec![key("1"), symmetric],
            Vec::new(),
            large,
            many,
        ] {
            let (remote, script, clock) =
                remote(vec![Ok(document(&[key("1")])), Ok(document(&refused))]);
            remote.for_key(Some("1")).await.expect("fetched");
            clock.advance(300);
            let keys = remote.for_key(Some("1")).await.expect("stale keys");
            assert!(keys.has("1") && !keys.has("2"));
            assert_eq!(script.fetches(), 2);
        }
    }
}
