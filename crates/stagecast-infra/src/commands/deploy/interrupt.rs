//! What an interrupted deployment leaves behind.

use crate::deploy::DeployedStack;

use super::context::{DeployContext, Progress};
use crate::commands::hints::Interruption;

/// What the message about the interruption says of the stack.
pub(super) async fn interruption(context: &DeployContext) -> Interruption {
    let stack_id = match &*context.progress.borrow() {
        Progress::Unchanged | Progress::Planned(_) => return Interruption::Unchanged,
        Progress::Executing(stack_id) => stack_id.clone(),
    };
    match DeployedStack::find(&context.session.cloudformation, &stack_id).await {
        Ok(Some(DeployedStack { name, status, .. })) => Interruption::Stack { name, status },
        Ok(None) => Interruption::Deleted,
        Err(error) => Interruption::Unknown(error.into()),
    }
}

/// Deletes a change set that was not executed.
pub(super) async fn discard_planned(context: &DeployContext) {
    if let Progress::Planned(change_set) = context.set_progress(Progress::Unchanged) {
        change_set.discard(&context.session.cloudformation).await;
    }
}
