//! How often a connection is tried before AWS has answered for the first time.
//!
//! Deployments run for minutes, so a network that is away for a while must not end them, and calls are
//! made many times. But an address at which there is nothing has to be named at once.

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

/// Attempts to reach AWS while it has never answered.
const ATTEMPTS: u32 = 2;

/// Whether AWS has answered any client that shares this.
#[derive(Clone, Debug, Default)]
pub(super) struct FirstContact(Arc<Contact>);

#[derive(Debug, Default)]
struct Contact {
    is_made: AtomicBool,
    failures: AtomicU32,
}

impl FirstContact {
    fn is_made(&self) {
        self.0.is_made.store(true, Ordering::Relaxed);
    }

    /// Whether to give up after a connection that could not be made.
    fn gives_up(&self) -> bool {
        let failures = self.0.failures.fetch_add(1, Ordering::Relaxed) + 1;
        failures >= ATTEMPTS && !self.0.is_made.load(Ordering::Relaxed)
    }
}

#[dyn_dispatch_hint]
impl Intercept for FirstContact {
    fn name(&self) -> &'static str {
        "FirstContact"
    }

    fn read_before_deserialization(
        &self,
        _: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.is_made();
        Ok(())
    }
}

impl ClassifyRetry for FirstContact {
    fn name(&self) -> &'static str {
        "FirstContact"
    }

    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let error = context.output_or_error().and_then(Result::err);
        let is_unreachable =
            error.is_some_and(|error| error.is_connector_error() || error.is_timeout_error());
        if is_unreachable && self.gives_up() {
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
    fn connection_is_given_up_after_two_attempts_only_before_the_first_answer() {
        let contact = FirstContact::default();
        assert!(!contact.gives_up());
        assert!(contact.gives_up());
        contact.clone().is_made();
        assert!(!contact.gives_up());
    }
}
