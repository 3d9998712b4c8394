//! Waits for, or deletes, a stack that cannot be updated as it is.

use crate::deploy::{DeployedStack, Events, Remediation, StackState, StackStatus};
use anyhow::bail;

use super::context::{DeployContext, Progress};
use crate::commands::{
    failure::describe_failure, follow::follow, stack_error::StackError, terminal::Terminal,
};

/// Waits for an operation in progress and deletes a stack whose creation was rolled back. Returns
/// the stack if it can be updated, and `None` if it has to be created.
pub(super) async fn ensure_updatable(
    context: &DeployContext,
    stack: Option<DeployedStack>,
    terminal: &mut Terminal,
) -> Result<Option<DeployedStack>, StackError> {
    let Some(mut stack) = stack else {
        return Ok(None);
    };
    loop {
        match stack.status.state() {
            StackState::Ready => return Ok(Some(stack)),
            StackState::Empty | StackState::Deleted => return Ok(None),
            StackState::InProgress => wait(context, &stack, terminal).await?,
            StackState::DeleteOnly if stack.status == StackStatus::RollbackComplete => {
                delete_rolled_back(context, &stack, terminal).await?;
                return Ok(None);
            }
            StackState::DeleteOnly | StackState::Stuck => {
                return Err(not_updatable(context, stack).await);
            }
        }
        match DeployedStack::find(&context.session.cloudformation, &stack.name).await? {
            Some(found) => stack = found,
            None => return Ok(None),
        }
    }
}

async fn wait(
    context: &DeployContext,
    stack: &DeployedStack,
    terminal: &mut Terminal,
) -> Result<(), StackError> {
    let DeployedStack {
        id, name, status, ..
    } = stack;
    terminal.line(format!("{name} is {status}: {}; waiting", status.meaning()));
    let mut events =
        Events::of_running_operation(&context.session.cloudformation, id, name).await?;
    context.set_progress(Progress::Executing(id.clone()));
    let result = follow(&context.session, name, 0, &mut events, terminal).await?;
    context.set_progress(Progress::Unchanged);
    if !result.status.is_success() {
        terminal.warn(describe_failure(name, &result, None).trim_start());
    }
    Ok(())
}

/// Deletes a stack that never worked, so that it can be created again.
async fn delete_rolled_back(
    context: &DeployContext,
    stack: &DeployedStack,
    terminal: &mut Terminal,
) -> Result<(), StackError> {
    let DeployedStack {
        id, name, status, ..
    } = stack;
    terminal.line(format!("{name} is {status}: {}", status.meaning()));
    require_consent(context, stack, terminal).await?;
    context.set_progress(Progress::Executing(id.clone()));
    let mut events = Events::from_now(&context.session.cloudformation, id, name).await?;
    stack.delete(&context.session.cloudformation).await?;
    let result = follow(&context.session, name, 1, &mut events, terminal).await?;
    context.set_progress(Progress::Unchanged);
    if result.status.is_success() {
        return Ok(());
    }
    Err(StackError::OperationFailed {
        stack: name.clone(),
        result,
        construct: None,
    })
}

async fn require_consent(
    context: &DeployContext,
    stack: &DeployedStack,
    terminal: &mut Terminal,
) -> anyhow::Result<()> {
    let DeployedStack {
        name,
        status,
        reason,
        ..
    } = stack;
    let question = format!("Delete the stack {name} and create it again?");
    let instead = "give --yes to delete it without a question";
    if context.request.consent.yes || terminal.confirm(&question, instead).await? {
        return Ok(());
    }
    let reason = reason.as_ref();
    let reason = reason.map_or_else(String::new, |reason| format!("\n  AWS says: {reason}"));
    bail!("the stack {name} is {status} and cannot be updated{reason}")
}

/// A stack whose deletion failed may have protected tables. They have to be deleted first: they
/// would remain without the stack, under the names that the next deployment needs.
async fn not_updatable(context: &DeployContext, stack: DeployedStack) -> StackError {
    let remediation = stack.status.remediation();
    let may_have_tables =
        stack.status == StackStatus::RollbackFailed && remediation == Some(Remediation::Destroy);
    let resources = if may_have_tables {
        // They only add to the message: if they cannot be listed, it is given without them.
        stack
            .resources(&context.session.cloudformation)
            .await
            .unwrap_or_default()
    } else {
        Vec::new()
    };
    let tables = resources.into_iter().filter(|it| it.protected);
    StackError::NotUpdatable {
        protected_tables: tables.map(|it| it.physical_id).collect(),
        remediation,
        stack: Box::new(stack),
    }
}
