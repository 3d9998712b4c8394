//! Limits the retries of connections until AWS has answered once.
//!
//! Deployments run for minutes and have to survive a network failure, so calls are retried many times.
//! A wrong address, however, has to be reported at once.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{BeforeDeserializationInterceptorContextRef, InterceptorContext},
            dyn_dispatch_hint,
        },
        retries::classifiers::{ClassifyRetry, RetryAction},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;

/// Connection attempts before the first answer.
const ATTEMPTS_BEFORE_ANSWER: u32 = 2;

/// Forbids retries of connections until one of the clients that share this has got an answer.
#[derive(Clone, Debug, Default)]
pub(super) struct ConnectRetryLimit(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    has_answered: AtomicBool,
    failures: AtomicU32,
}

impl ConnectRetryLimit {
    fn note_answer(&self) {
        self.0.has_answered.store(true, Ordering::Relaxed);
    }

    /// Counts a failed connection, and returns whether to give up.
    fn give_up(&self) -> bool {
        let failures = self.0.failures.fetch_add(1, Ordering::Relaxed) + 1;
        failures >= ATTEMPTS_BEFORE_ANSWER && !self.0.has_answered.load(Ordering::Relaxed)
    }
}

#[dyn_dispatch_hint]
impl Intercept for ConnectRetryLimit {
    fn name(&self) -> &'static str {
        "ConnectRetryLimit"
    }

    fn read_before_deserialization(
        &self,
        _: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.note_answer();
        Ok(())
    }
}

impl ClassifyRetry for ConnectRetryLimit {
    fn name(&self) -> &'static str {
        "ConnectRetryLimit"
    }

    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let error = context.output_or_error().and_then(Result::err);
        let is_unreachable =
            error.is_some_and(|error| error.is_connector_error() || error.is_timeout_error());
        if is_unreachable && self.give_up() {
            RetryAction::RetryForbidden
        } else {
            RetryAction::NoActionIndicated
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_end_after_two_attempts_only_before_the_first_answer() {
        let limit = ConnectRetryLimit::default();
        assert!(!limit.give_up());
        assert!(limit.give_up());
        limit.clone().note_answer();
        assert!(!limit.give_up());
    }
}
