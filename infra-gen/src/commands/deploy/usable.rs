//! Bringing a stack into a state in which it can be deployed to.

use std::cell::RefCell;

use anyhow::bail;
use infra_gen::deploy::{DeployedStack, Events, Session, Standing};

use super::{Arguments, execution::Phase};
use crate::commands::{
    operation::{Operation, failure},
    terminal::Terminal,
};

/// Brings a stack into a state in which it can be deployed to, or says why it is in none. None if
/// there is no stack, or none with anything in it.
pub(super) async fn usable(
    stack: Option<DeployedStack>,
    arguments: &Arguments,
    session: &Session,
    phase: &RefCell<Phase>,
    terminal: &mut Terminal,
) -> anyhow::Result<Option<DeployedStack>> {
    let Some(mut stack) = stack else {
        return Ok(None);
    };
    loop {
        let (status, name) = (stack.status.clone(), stack.name.clone());
        match status.standing() {
            Standing::Settled => return Ok(Some(stack)),
            Standing::Empty | Standing::Gone => return Ok(None),
            Standing::Busy => {
                terminal.line(format!("{name} is {status}: {}; waiting", status.meaning()));
                let again = format!("run `infra-gen deploy{}` again", arguments.target.repeat());
                let operation = Operation {
                    session,
                    stack: &name,
                    total: 0,
                    go_on: &again,
                };
                let mut events = Events::of_running_operation(session, &stack.id, &name).await?;
                phase.replace(Phase::executing(session, &stack.id));
                operation.follow(terminal, &mut events).await?;
                phase.replace(Phase::Nothing);
            }
            Standing::Removable if status.as_str() == "ROLLBACK_COMPLETE" => {
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
                phase.replace(Phase::executing(session, &stack.id));
                remove(&stack, arguments, session, terminal).await?;
                phase.replace(Phase::Nothing);
                return Ok(None);
            }
            Standing::Removable | Standing::Stuck => {
                let way_out = status.way_out(&arguments.target.naming(&name));
                bail!(
                    "the stack {name} cannot be updated: it is {status}, {}{}\n  what to do: {}",
                    status.meaning(),
                    reason(&stack),
                    way_out.unwrap_or_default()
                );
            }
        }
        match DeployedStack::find(session, &name).await? {
            Some(found) => stack = found,
            None => return Ok(None),
        }
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
    let again = format!("run `infra-gen deploy{}` again", arguments.target.repeat());
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
