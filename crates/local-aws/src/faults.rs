//! Fault injection: tests make calls to the stack's AWS services fail, hang or slow down.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::{recorder::Call, sync::Mutex};

/// What happens to a call, instead of or in addition to its operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The service throttles the call: status 429 of `@connections`, an error of DynamoDB, S3, SQS,
    /// Secrets Manager or SSM.
    Throttle,
    /// DynamoDB reports a conflict with another writer: it cancels a transaction and rejects a
    /// single write. Other services ignore this fault.
    Conflict,
    /// The service fails with an internal error.
    Outage,
    /// No policy allows the call: status 403 of `@connections`, `AccessDenied` of S3 and SQS,
    /// `AccessDeniedException` of other services.
    Denied,
    /// The response has this status and an empty body.
    Status(u16),
    /// The call takes effect after this time.
    Delay(Duration),
    /// The call has no effect and never gets a response.
    Hang,
    /// The call takes effect, and the connection breaks before the response.
    LostResponse,
}

/// A post to a WebSocket connection.
#[derive(Clone, Copy, Debug)]
pub struct Post<'a> {
    /// The name of the posting function's executable.
    pub caller: &'a str,
    /// The connection id.
    pub connection_id: &'a str,
    /// The message.
    pub body: &'a [u8],
}

type PostHook = Arc<dyn Fn(&Post<'_>) -> Option<Fault> + Send + Sync>;
type CallHook = Arc<dyn Fn(&Call) -> Option<Fault> + Send + Sync>;

/// The hooks that choose the fault of each call.
#[derive(Clone, Default)]
pub struct Faults {
    hooks: Arc<Mutex<Hooks>>,
}

#[derive(Default)]
struct Hooks {
    post: Option<PostHook>,
    call: Option<CallHook>,
}

impl fmt::Debug for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Faults").finish_non_exhaustive()
    }
}

impl Faults {
    /// Calls `hook` for every post to a connection. Replaces the previous hook.
    pub fn on_post(&self, hook: impl Fn(&Post<'_>) -> Option<Fault> + Send + Sync + 'static) {
        self.hooks.lock().post = Some(Arc::new(hook));
    }

    /// Calls `hook` for every call to DynamoDB, S3, SQS, Secrets Manager and SSM. Replaces the previous hook. A transaction
    /// is one call, `dynamodb:TransactWriteItems` or `dynamodb:TransactGetItems`.
    pub fn on_call(&self, hook: impl Fn(&Call) -> Option<Fault> + Send + Sync + 'static) {
        self.hooks.lock().call = Some(Arc::new(hook));
    }

    /// Removes both hooks.
    pub fn clear(&self) {
        *self.hooks.lock() = Hooks::default();
    }

    pub(crate) fn of_post(&self, post: &Post<'_>) -> Option<Fault> {
        let hook = self.hooks.lock().post.clone();
        hook.and_then(|hook| hook(post))
    }

    pub(crate) fn of_call(&self, call: &Call) -> Option<Fault> {
        let hook = self.hooks.lock().call.clone();
        hook.and_then(|hook| hook(call))
    }
}

/// A counter for hooks: `take` returns true a limited number of times.
#[derive(Debug)]
pub struct Times(AtomicUsize);

impl Times {
    /// Lets `take` return true `count` times.
    pub fn new(count: usize) -> Self {
        Self(AtomicUsize::new(count))
    }

    /// Whether the count is above zero; decrements it.
    pub fn take(&self) -> bool {
        let decrement = |left: usize| left.checked_sub(1);
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, decrement)
            .is_ok()
    }
}
