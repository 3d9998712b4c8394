//! Executes a change set and follows it to its end.

use crate::{
    deploy::{ChangeSet, Events},
    template::Template,
};

use super::context::{DeployContext, Progress};
use crate::commands::{
    failure::failed_construct, follow::follow, stack_error::StackError, terminal::Terminal,
};

/// Executes a change set and follows it to its end.
pub(super) async fn execute(
    context: &DeployContext,
    template: &Template,
    change_set: &ChangeSet,
    terminal: &mut Terminal,
) -> Result<(), StackError> {
    let session = &context.session;
    let name = context.request.stack_name.as_str();
    let mut events = Events::from_now(&session.cloudformation, &change_set.stack_id, name).await?;
    start(context, change_set, name).await?;
    let total = change_set.changes.len();
    let result = follow(session, name, total, &mut events, terminal).await?;
    context.set_progress(Progress::Unchanged);
    if !result.status.is_success() {
        return Err(StackError::OperationFailed {
            stack: name.to_owned(),
            construct: failed_construct(&result, template),
            result,
        });
    }
    terminal.done(format!("{name} is {}", result.status));
    Ok(())
}

/// Starts the execution. An interruption during the call must report that the execution may have
/// begun, so the progress is noted before it.
pub(super) async fn start(
    context: &DeployContext,
    change_set: &ChangeSet,
    stack: &str,
) -> anyhow::Result<()> {
    let executing = Progress::Executing(change_set.stack_id.clone());
    let planned = context.set_progress(executing);
    let result = change_set
        .execute(&context.session.cloudformation, stack)
        .await;
    if result.is_err() {
        context.set_progress(planned);
    }
    Ok(result?)
}
