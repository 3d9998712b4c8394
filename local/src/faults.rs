//! Faults on demand: what tests ask the stack's AWS services to do wrong.

use std::{
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::recorder::Call;

/// What happens to a call instead of, or before, what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The service refuses because of its rate, in the way it does that: 429 of `@connections`,
    /// `ThrottlingException` of DynamoDB.
    Throttle,
    /// Another writer is at the item, in the way that DynamoDB says that: a transaction is cancelled,
    /// a single write refused. Other services know no such thing and do what they are asked to.
    Conflict,
    /// The service fails with an internal error.
    Outage,
    /// The service refuses because no policy allows the call: 403 of `@connections`, `AccessDenied`
    /// of S3 and SQS, `AccessDeniedException` of DynamoDB.
    Denied,
    /// The answer has this status and no body that explains it.
    Status(u16),
    /// The call is done, but only after this time.
    Delay(Duration),
    /// The call is never answered.
    Hang,
    /// The call is done, and the connection breaks before the answer.
    LostAnswer,
}

/// A post to a connection, as a hook sees it.
#[derive(Clone, Copy, Debug)]
pub struct Post<'a> {
    /// Who posts: the function's name in the contract.
    pub caller: &'a str,
    /// API Gateway's id of the connection.
    pub connection_id: &'a str,
    /// The message.
    pub body: &'a [u8],
}

type PostHook = Arc<dyn Fn(&Post<'_>) -> Option<Fault> + Send + Sync>;
type CallHook = Arc<dyn Fn(&Call) -> Option<Fault> + Send + Sync>;

/// The faults that are set.
#[derive(Clone, Default)]
pub struct Faults {
    hooks: Arc<RwLock<Hooks>>,
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
    /// Asks `hook` about every post to a connection; it replaces the hook before it.
    pub fn on_post(&self, hook: impl Fn(&Post<'_>) -> Option<Fault> + Send + Sync + 'static) {
        self.write().post = Some(Arc::new(hook));
    }

    /// Asks `hook` about every call to DynamoDB, S3 and SQS; it replaces the hook before it. Of a
    /// transaction it sees the `dynamodb:TransactWriteItems` only.
    pub fn on_call(&self, hook: impl Fn(&Call) -> Option<Fault> + Send + Sync + 'static) {
        self.write().call = Some(Arc::new(hook));
    }

    /// Everything works again.
    pub fn clear(&self) {
        *self.write() = Hooks::default();
    }

    pub(crate) fn of_post(&self, post: &Post<'_>) -> Option<Fault> {
        let hook = self.read().post.clone();
        hook.and_then(|hook| hook(post))
    }

    pub(crate) fn of_call(&self, call: &Call) -> Option<Fault> {
        let hook = self.read().call.clone();
        hook.and_then(|hook| hook(call))
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Hooks> {
        self.hooks.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Hooks> {
        self.hooks.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A budget for hooks: `take` is true that many times.
#[derive(Debug)]
pub struct Times(AtomicUsize);

impl Times {
    /// A budget of `count`.
    pub fn new(count: usize) -> Self {
        Self(AtomicUsize::new(count))
    }

    /// Whether the budget lasts for one more; if so, it is spent.
    pub fn take(&self) -> bool {
        let decrement = |left: usize| left.checked_sub(1);
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, decrement)
            .is_ok()
    }
}
