//! Ensures that API Gateway has a role to write logs with.

use crate::{
    deploy::{
        CallErrorKind, Capabilities, ChangeSetRequest, DeployedStack, Events, NAME_PREFIX,
        ParameterValues, StackState, TemplateSource, logging_role,
    },
    diff::TemplateDocument,
};
use anyhow::anyhow;

use super::{
    context::{DeployContext, Progress},
    ensure_updatable::ensure_updatable,
    execute::start,
};
use crate::commands::{
    follow::follow, ownership::require_own_stack, stack_error::StackError, terminal::Terminal,
};

/// Looks for the role, and creates it if the user agrees.
pub(super) async fn ensure(
    context: &DeployContext,
    terminal: &mut Terminal,
) -> Result<(), StackError> {
    let region = &context.session.region;
    terminal.start("looking for API Gateway's logging role");
    match logging_role::find(&context.session).await {
        Ok(Some(_)) => {
            terminal.finish();
            return Ok(());
        }
        Ok(None) => terminal.finish(),
        // A deployment does not need this permission.
        Err(error) if error.kind == CallErrorKind::Denied => {
            terminal.finish();
            terminal.warn(format!(
                "{error}\n  continuing as if API Gateway had a logging role"
            ));
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    }
    terminal.line(format!(
        "API Gateway has no logging role in {region}, so it would refuse a stage that logs.\n\
         An account has one such role per region, for all its APIs. The stack {}\n\
         creates the role, which may only write to CloudWatch Logs, and the account's setting.\n\
         Both remain when Stagecast's stack is deleted.",
        logging_role::STACK
    ));
    let instead = "give --set-up-logging, or ask the account's administrator to set the CloudWatch \
                   log role ARN in API Gateway's settings";
    let question = format!("Create the stack {}?", logging_role::STACK);
    // --yes answers questions about the deployed stack; this role belongs to the account. With --yes
    // there is no question either, so the deployment ends here.
    let consent = context.request.consent;
    let agreed =
        consent.logging_role || !consent.yes && terminal.confirm(&question, instead).await?;
    if !agreed {
        return Err(
            anyhow!("API Gateway has no logging role in {region}\n  help: {instead}").into(),
        );
    }
    set_up(context, terminal).await
}

async fn set_up(context: &DeployContext, terminal: &mut Terminal) -> Result<(), StackError> {
    let session = &context.session;
    let name = logging_role::STACK;
    let existing = own_stack(context).await?;
    let existing = ensure_updatable(context, existing, terminal).await?;
    let request = ChangeSetRequest {
        stack: name.to_owned(),
        name_prefix: NAME_PREFIX.to_owned(),
        is_new: existing.is_none(),
        template: TemplateSource::Body(logging_role::TEMPLATE.to_owned()),
        parameters: ParameterValues::new(),
        tags: vec![(
            "Application".to_owned(),
            logging_role::APPLICATION.to_owned(),
        )],
        capabilities: Capabilities::of(&TemplateDocument::parse(logging_role::TEMPLATE)?),
    };
    context.set_progress(Progress::Planned(request.clone()));
    let Some(change_set) = request.change_set(&session.cloudformation).await? else {
        return Err(removed_role().into());
    };
    let mut events = Events::from_now(&session.cloudformation, &change_set.stack_id, name).await?;
    start(context, &change_set, name).await?;
    let total = change_set.changes.len();
    let result = follow(session, name, total, &mut events, terminal).await?;
    context.set_progress(Progress::Unchanged);
    if !result.status.is_success() {
        return Err(StackError::OperationFailed {
            stack: name.to_owned(),
            result,
            construct: None,
        });
    }
    terminal.done(format!(
        "API Gateway has a logging role, created by the stack {name}"
    ));
    Ok(())
}

/// The stack of the role, if it exists. Refuses a stack of another application.
async fn own_stack(context: &DeployContext) -> anyhow::Result<Option<DeployedStack>> {
    let stack = DeployedStack::find(&context.session.cloudformation, logging_role::STACK).await?;
    if let Some(stack) = &stack
        && stack.status.state() != StackState::Empty
    {
        let environment = &context.request.environment;
        require_own_stack(
            stack,
            logging_role::APPLICATION,
            environment,
            logging_role::DESCRIPTION,
        )?;
    }
    Ok(stack)
}

fn removed_role() -> anyhow::Error {
    let name = logging_role::STACK;
    anyhow!(
        "the stack {name} exists, but API Gateway has no logging role: the role was removed from \
         API Gateway's settings\n  help: delete the stack {name}, then deploy again"
    )
}
