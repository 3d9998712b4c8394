//! The role that API Gateway logs with: looked for, explained, and set up if that is wanted.

use std::cell::RefCell;

use anyhow::bail;
use infra_gen::{
    deploy::{
        CallErrorKind, Capabilities, ChangeSetRequest, DeployedStack, Events, Session, StackState,
        TemplateSource, Values, logging_role,
    },
    diff::TemplateDocument,
    environments::Environment,
};

use super::{Arguments, ensure_updatable::ensure_updatable, execution::InterruptState};
use crate::commands::{
    operation::{Operation, failure},
    ownership::must_be_ours,
    terminal::Terminal,
};

/// Sees to it that API Gateway has a role to log with.
pub(super) async fn ensure(
    session: &Session,
    arguments: &Arguments,
    environment: &Environment,
    interrupt_state: &RefCell<InterruptState>,
    terminal: &mut Terminal,
) -> anyhow::Result<()> {
    terminal.start("looking for the role that API Gateway logs with");
    match logging_role::find(session).await {
        Ok(Some(_)) => {
            terminal.finish();
            return Ok(());
        }
        Ok(None) => terminal.finish(),
        // Who may deploy need not be allowed to ask this.
        Err(error) if error.kind == CallErrorKind::Denied => {
            terminal.finish();
            terminal.warn(format!(
                "{error}\n  going on as if API Gateway had a role to log with"
            ));
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    }
    terminal.line(format!(
        "API Gateway has no role to log with in {}, so it would refuse a stage that logs.\n\
         An account has one such role per region, for all its APIs. The stack {}\n\
         sets it up: a role that may write to CloudWatch Logs and nothing else, and the setting.\n\
         It stays when Stagecast goes.",
        session.region,
        logging_role::STACK
    ));
    let instead = "give --set-up-logging, or have the account's administrator set the CloudWatch \
                   log role ARN in API Gateway's settings";
    let question = format!("Set it up with the stack {}?", logging_role::STACK);
    // --yes is for the stack that is deployed; this role is the account's. Still, it asks nothing.
    let wanted =
        arguments.set_up_logging || !arguments.yes && terminal.confirm(&question, instead).await?;
    if !wanted {
        bail!(
            "API Gateway has no role to log with in {}\n  what to do: {instead}",
            session.region
        );
    }
    set_up(session, arguments, environment, interrupt_state, terminal).await
}

async fn set_up(
    session: &Session,
    arguments: &Arguments,
    environment: &Environment,
    interrupt_state: &RefCell<InterruptState>,
    terminal: &mut Terminal,
) -> anyhow::Result<()> {
    let name = logging_role::STACK;
    let template = TemplateDocument::parse(logging_role::TEMPLATE)?;
    let existing = DeployedStack::find(session, name).await?;
    if let Some(stack) = &existing
        && stack.status.state() != StackState::Empty
    {
        must_be_ours(stack, environment, logging_role::DESCRIPTION)?;
    }
    let existing =
        ensure_updatable(existing, arguments, session, interrupt_state, terminal).await?;
    let request = ChangeSetRequest {
        stack: name.to_owned(),
        is_new: existing.is_none(),
        template: TemplateSource::Body(logging_role::TEMPLATE.to_owned()),
        parameters: Values::new(),
        tags: vec![("Application".to_owned(), "stagecast".to_owned())],
        capabilities: Capabilities::of(&template),
    };
    let planned = InterruptState::Planned {
        session: session.clone(),
        request: request.clone(),
    };
    interrupt_state.replace(planned);
    let Some(change_set) = request.change_set(session).await? else {
        bail!(
            "the stack {name} is there, but API Gateway has no role: somebody has taken it out of \
             the settings\n  what to do: delete the stack {name}, then deploy again"
        );
    };
    let mut events = Events::from_now(session, &change_set.stack_id, name).await?;
    InterruptState::execute(interrupt_state, &change_set, session, name).await?;
    let again = format!("run `infra-gen deploy{}` again", arguments.repeat());
    let operation = Operation {
        session,
        stack: name,
        total: change_set.changes.len(),
        go_on: &again,
    };
    let ending = operation.follow(terminal, &mut events).await?;
    interrupt_state.replace(InterruptState::Nothing);
    if !ending.status.is_success() {
        let naming = arguments.target.naming(name);
        let next = "mend the cause, then deploy again";
        return Err(failure(&naming, &ending, None, next));
    }
    terminal.done(format!(
        "API Gateway has a role to log with, set up by the stack {name}"
    ));
    Ok(())
}
