//! What has to be known before anything is built: who deploys, where to, onto what.

use anyhow::bail;
use infra_gen::{
    constructs::stack_tags,
    deploy::{
        ArtifactBucket, DeployedStack, DeployedTemplate, Events, Presence, Session, StackName,
        Standing, Values,
    },
    environments::Environment,
    template::Template,
};

use super::{Arguments, logging};
use crate::commands::{
    operation::{Operation, failure},
    terminal::Terminal,
};

/// Where a deployment takes place, and what it meets there.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) session: Session,
    pub(super) name: StackName,
    /// The stack, if there is one with something in it.
    pub(super) stack: Option<DeployedStack>,
    pub(super) bucket: ArtifactBucket,
    pub(super) bucket_is: Presence,
}

impl Ground {
    pub(super) async fn survey(
        arguments: &Arguments,
        environment: &Environment,
        template: &Template,
        terminal: &mut Terminal,
    ) -> anyhow::Result<Self> {
        let session = arguments.target.session().await?;
        let name = arguments.target.stack_name()?;
        terminal.start("looking at the account");
        let caller = session.caller().await?;
        terminal.done(format!(
            "{name} in {}, account {} (as {})",
            session.region, caller.account, caller.arn
        ));
        let stack = DeployedStack::find(&session, name.as_str()).await?;
        let stack = usable(stack, arguments, &session, terminal).await?;
        if let Some(stack) = &stack {
            must_be_ours(stack, environment, template)?;
        }
        logging::ensure(&session, arguments, terminal).await?;
        let bucket = ArtifactBucket::new(arguments.artifact_bucket.as_deref(), &caller, &session);
        Ok(Self {
            bucket_is: bucket.find(&session).await?,
            bucket,
            session,
            name,
            stack,
        })
    }

    /// Whether just this is deployed already. It is not if the last deployment was undone.
    pub(super) fn is_deployed(
        &self,
        text: &str,
        parameters: &Values,
        deployed: Option<&DeployedTemplate>,
    ) -> bool {
        let (Some(stack), Some(deployed)) = (&self.stack, deployed) else {
            return false;
        };
        stack.status.is_success()
            && deployed.text == text
            && stack.parameters.len() == parameters.len()
            && parameters
                .iter()
                .all(|(name, value)| stack.parameters.get(name) == Some(value))
    }
}

/// Brings a stack into a state in which it can be deployed to, or says why it is in none. None if
/// there is no stack, or none with anything in it.
async fn usable(
    stack: Option<DeployedStack>,
    arguments: &Arguments,
    session: &Session,
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
                operation.follow(terminal, &mut events).await?;
            }
            Standing::Removable if status.as_str() == "ROLLBACK_COMPLETE" => {
                terminal.line(format!("{name} is {status}: {}", status.meaning()));
                let question = format!("Remove the stack {name} and make it again?");
                if !arguments.yes
                    && !terminal
                        .confirm(&question, "give --yes to have it removed unasked")
                        .await?
                {
                    bail!("the stack {name} is {status}, and cannot be updated");
                }
                remove(&stack, arguments, session, terminal).await?;
                return Ok(None);
            }
            Standing::Removable | Standing::Stuck => {
                let way_out = status.way_out(&name).unwrap_or_default();
                bail!(
                    "the stack {name} cannot be updated: it is {status}, {}\n  what to do: {way_out}",
                    status.meaning()
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
    Err(failure(&stack.name, &ending, None, ""))
}

/// Nobody else's stack is written over, nor another environment's.
fn must_be_ours(
    stack: &DeployedStack,
    environment: &Environment,
    template: &Template,
) -> anyhow::Result<()> {
    let name = &stack.name;
    let [(application, ours), (tag, environment)] = stack_tags(environment);
    let is_tagged = stack
        .tags
        .get(application)
        .is_some_and(|value| value == ours);
    if !is_tagged && stack.description != template.description() {
        bail!(
            "the name {name} is taken: there is a stack of this name, and it is not Stagecast's \
             (\"{}\")\n  what to do: give this one another name with --stack-name, or another \
             region with --region",
            stack.description
        );
    }
    match stack.tags.get(tag) {
        Some(other) if other != environment => bail!(
            "the name {name} is taken: the stack is for the environment {other}, not \
             {environment}\n  what to do: give --environment {other}, or another name with \
             --stack-name"
        ),
        _ => Ok(()),
    }
}
