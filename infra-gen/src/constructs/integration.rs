//! The limit of all integrations with functions.

/// The time that API Gateway waits for a function: its maximum. The function's own timeout is shorter.
pub(super) const INTEGRATION_TIMEOUT_MILLISECONDS: u32 =
    typed_contract::functions::INTEGRATION_LIMIT_SECONDS * 1000;
