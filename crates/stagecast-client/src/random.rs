//! Random values that cannot be guessed.

use crate::hex::hex;

/// 128 random bits as 32 hexadecimal digits, for idempotency keys.
pub(crate) fn key() -> String {
    let mut bytes = [0; 16];
    #[expect(
        clippy::disallowed_methods,
        reason = "the only place of this crate with randomness that must not be guessed"
    )]
    getrandom::fill(&mut bytes).expect("the operating system has randomness");
    hex(&bytes)
}
