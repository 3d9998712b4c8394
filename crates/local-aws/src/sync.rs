//! A mutex that stays usable after a panic.

use std::sync::{MutexGuard, PoisonError};

/// [`std::sync::Mutex`] without poisoning: one task that panics must not stop the whole stack. Every
/// critical section leaves its value consistent at each point where it may panic.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    /// Waits for the lock. The value may be one that a panicked holder left behind.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
