//! The integrations of APIs with functions.

use cloudformation::ConstructPath;
use typed_contract::functions::Trigger;

use crate::{error::SynthError, function::Function};

/// The time that API Gateway waits for a function: its maximum. The function's own timeout is shorter.
pub(crate) const INTEGRATION_TIMEOUT_MILLISECONDS: u32 =
    typed_contract::functions::INTEGRATION_LIMIT_SECONDS * 1000;

/// Refuses a function that does not declare the trigger. The check of its timeout follows from it.
pub(crate) fn require_trigger(
    function: &Function,
    trigger: Trigger,
    api: &ConstructPath,
) -> Result<(), SynthError> {
    if function.spec.triggers.contains(&trigger) {
        return Ok(());
    }
    Err(SynthError::NotATrigger {
        function: function.spec.name,
        source_name: format!("the API '{api}'"),
    })
}
