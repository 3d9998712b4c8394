//! Bringing a stack into a state in which it can be deployed to.

use std::cell::RefCell;

use anyhow::bail;
use infra_gen::deploy::{DeployedStack, Events, Naming, Session, StackState};

use super::{Arguments, execution::InterruptState};
use crate::commands::{
    operation::{Operation, delete_by_hand, failure, what_failed},
    terminal::Terminal,
};

/// Brings a stack into a state in which it can be deployed to, or says why it is in none. None if
/// there is no stack, or none with anything in it.
pub(super) async fn ensure_updatable(
    stack: Option<DeployedStack>,
    arguments: &Arguments,
    session: &Session,
    interrupt_state: &RefCell<InterruptState>,
    terminal: &mut Terminal,
) -> anyhow::Result<Option<DeployedStack>> {
    let Some(mut stack) = stack else {
        return Ok(None);
    };
    loop {
        let (status, name) = (stack.status.clone(), stack.name.clone());
        match status.state() {
            StackState::Settled => return Ok(Some(stack)),
            StackState::Empty | StackState::Gone => return Ok(None),
            StackState::Busy => {
                terminal.line(format!("{name} is {status}: {}; waiting", status.meaning()));
                let again = format!("run `infra-gen deploy{}` again", arguments.repeat());
                let operation = Operation {
                    session,
                    stack: &name,
                    total: 0,
                    go_on: &again,
                };
                let mut events = Events::of_running_operation(session, &stack.id, &name).await?;
                interrupt_state.replace(InterruptState::executing(session, &stack.id));
                let ending = operation.follow(terminal, &mut events).await?;
                interrupt_state.replace(InterruptState::Nothing);
                if !ending.status.is_success() {
                    let naming = arguments.target.naming(&name);
                    terminal.warn(what_failed(&naming, &ending, None).trim_start());
                }
            }
            StackState::Removable if status.as_str() == "ROLLBACK_COMPLETE" => {
                terminal.line(format!("{name} is {status}: {}", status.meaning()));
                let question = format!("Remove the stack {name} and make it again?");
                if !arguments.yes
                    && !terminal
                        .confirm(&question, "give --yes to have it removed unasked")
                        .await?
                {
                    bail!(
                        "the stack {name} is {status}, and cannot be updated{}",
                        reason(&stack)
                    );
                }
                interrupt_state.replace(InterruptState::executing(session, &stack.id));
                remove(&stack, arguments, session, terminal).await?;
                interrupt_state.replace(InterruptState::Nothing);
                return Ok(None);
            }
            StackState::Removable | StackState::Stuck => {
                let remediation =
                    remediation(&stack, &arguments.target.naming(&name), session).await;
                bail!(
                    "the stack {name} cannot be updated: it is {status}, {}{}\n  what to do: {remediation}",
                    status.meaning(),
                    reason(&stack),
                );
            }
        }
        match DeployedStack::find(session, &name).await? {
            Some(found) => stack = found,
            None => return Ok(None),
        }
    }
}

/// What to do about a stack that cannot be updated. Of one that could not be made and is there
/// still, its tables may be what keeps it: when it goes they stay, and have the names.
async fn remediation(stack: &DeployedStack, naming: &Naming, session: &Session) -> String {
    let status = &stack.status;
    let remediation = status.remediation(naming).unwrap_or_default();
    if status.as_str() != "ROLLBACK_FAILED" {
        return remediation;
    }
    // Only says more; so if they cannot be listed, what is known must do.
    let resources = stack.resources(session).await.unwrap_or_default();
    let tables = resources.iter().filter(|it| it.protected);
    let tables: Vec<_> = tables.map(|it| it.physical_id.as_str()).collect();
    match delete_by_hand(&tables, naming) {
        Some(first) => format!("{first}\n    then {remediation}"),
        None => remediation,
    }
}

async fn remove(
    stack: &DeployedStack,
    arguments: &Arguments,
    session: &Session,
    terminal: &mut Terminal,
) -> anyhow::Result<()> {
    let mut events = Events::from_now(session, &stack.id, &stack.name).await?;
    stack.delete(session).await?;
    let again = format!("run `infra-gen deploy{}` again", arguments.repeat());
    let operation = Operation {
        session,
        stack: &stack.name,
        total: 1,
        go_on: &again,
    };
    let ending = operation.follow(terminal, &mut events).await?;
    if ending.status.is_success() {
        return Ok(());
    }
    let naming = arguments.target.naming(&stack.name);
    Err(failure(&naming, &ending, None, ""))
}

/// What CloudFormation says of the state, on a line of its own.
fn reason(stack: &DeployedStack) -> String {
    let reason = stack.reason.as_ref();
    reason.map_or_else(String::new, |reason| format!("\n  AWS says: {reason}"))
}
