//! Who called which AWS operation on what, counted.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// A call to one of the stack's AWS services.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// The function that called, by its name in the contract; for callers that are not functions,
    /// the access key id that they signed with, or nothing.
    pub caller: String,
    /// The IAM action, `dynamodb:PutItem`. The parts of a transaction are recorded as actions of
    /// their own, next to `dynamodb:TransactWriteItems` (which IAM does not know).
    pub operation: String,
    /// The name of the table (`table/index` for an index), queue or bucket; of a call to
    /// `@connections` its HTTP method.
    pub resource: String,
}

/// The calls so far.
#[derive(Clone, Debug, Default)]
pub struct Calls {
    counts: Arc<Mutex<BTreeMap<Call, u64>>>,
}

impl Calls {
    /// Every call that was made, and how often.
    pub fn all(&self) -> BTreeMap<Call, u64> {
        self.lock().clone()
    }

    /// How many calls there were that `matches` is true for.
    pub fn count(&self, matches: impl Fn(&Call) -> bool) -> u64 {
        let counts = self.lock();
        let matching = counts.iter().filter(|(call, _)| matches(call));
        matching.map(|(_, count)| count).sum()
    }

    /// Forgets what was recorded.
    pub fn clear(&self) {
        self.lock().clear();
    }

    pub(crate) fn record(&self, calls: &[Call]) {
        let mut counts = self.lock();
        for call in calls {
            *counts.entry(call.clone()).or_default() += 1;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Call, u64>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
