//! Counts the calls to AWS services, by caller, operation and resource.

use std::{collections::BTreeMap, sync::Arc};

use crate::sync::Mutex;

/// A call to one of the stack's AWS services.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// The name of the function's executable. For other callers: the access key id that signed the
    /// request, or an empty string.
    pub caller: String,
    /// The IAM action, `dynamodb:PutItem`. Each part of a transaction is recorded as an action too,
    /// next to `dynamodb:TransactWriteItems`, which IAM does not have.
    pub operation: String,
    /// The name of the table (`table/index` for an index), queue, bucket, secret or parameter; of a call to
    /// `@connections` its HTTP method.
    pub resource: String,
}

/// The recorded calls since the start, or since the last [`Calls::clear`].
#[derive(Clone, Debug, Default)]
pub struct Calls {
    counts: Arc<Mutex<BTreeMap<Call, u64>>>,
}

impl Calls {
    /// Every recorded call with its count.
    pub fn all(&self) -> BTreeMap<Call, u64> {
        self.counts.lock().clone()
    }

    /// The number of calls for which `matches` returns true.
    pub fn count(&self, matches: impl Fn(&Call) -> bool) -> u64 {
        let counts = self.counts.lock();
        let matching = counts.iter().filter(|(call, _)| matches(call));
        matching.map(|(_, count)| count).sum()
    }

    /// Deletes all records.
    pub fn clear(&self) {
        self.counts.lock().clear();
    }

    pub(crate) fn record(&self, calls: &[Call]) {
        let mut counts = self.counts.lock();
        for call in calls {
            *counts.entry(call.clone()).or_default() += 1;
        }
    }
}
