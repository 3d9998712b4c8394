//! `infra-gen destroy`.

use crate::{
    deploy::{
        AwsSession, DeployedResource, DeployedStack, Events, StackName, StackState, StackStatus,
        WatchResult, empty_bucket, holds_data, logging_role,
    },
    environments::{Environment, Overrides},
    project::Project,
    stack::synthesize,
};
use anyhow::{anyhow, bail};
use clap::Args;

use super::{
    follow::follow,
    hints::{Hints, Interruption},
    outcome::CommandOutcome,
    ownership::require_own_stack,
    runtime::{block_on, unless_interrupted},
    stack_error::StackError,
    stack_options::StackOptions,
    terminal::Terminal,
};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    stack: StackOptions,
    /// Delete the stack without asking.
    #[arg(long)]
    yes: bool,
}

/// What a deletion of the stack works with.
#[derive(Debug)]
struct DestroyContext<'a> {
    project: Project,
    environment: Environment,
    name: StackName,
    session: AwsSession,
    yes: bool,
    hints: &'a Hints<'a>,
}

/// A stack's resources, by what a deletion does to them.
#[derive(Debug, Default)]
struct Disposition {
    retained: Vec<DeployedResource>,
    deleted: Vec<DeployedResource>,
}

pub(crate) fn run(project: Project, arguments: &Arguments) -> anyhow::Result<CommandOutcome> {
    let hints = Hints::new(project, "destroy", "", &arguments.stack);
    block_on(async {
        let context = DestroyContext {
            project,
            environment: arguments
                .stack
                .environment(project, &Overrides::default())?,
            name: arguments.stack.stack_name(project)?,
            session: arguments.stack.session().await?,
            yes: arguments.yes,
            hints: &hints,
        };
        let mut terminal = Terminal::new();
        let result = unless_interrupted(Box::pin(destroy(&context, &mut terminal))).await;
        terminal.finish();
        if let Some(result) = result {
            return result.map_err(|error| hints.render(error));
        }
        let interruption = unless_interrupted(Box::pin(interruption(&context))).await;
        Err(interruption.map_or_else(
            || anyhow!("interrupted again"),
            |interruption| hints.interrupted(interruption),
        ))
    })
}

async fn destroy(
    context: &DestroyContext<'_>,
    terminal: &mut Terminal,
) -> Result<CommandOutcome, StackError> {
    let DestroyContext { session, name, .. } = context;
    let Some(stack) = DeployedStack::find(&session.cloudformation, name.as_str()).await? else {
        terminal.done(format!("there is no stack {name} in {}", session.region));
        return Ok(CommandOutcome::Done);
    };
    require_deletable(context, &stack)?;
    let disposition = Disposition::of(session, &stack).await?;
    disposition.show(terminal, session, &stack);
    let is_being_deleted = stack.status == StackStatus::DeleteInProgress;
    if !context.yes && !is_being_deleted && !confirm(name, terminal).await? {
        terminal.line("Nothing was deleted.");
        return Ok(CommandOutcome::Differs);
    }
    let mut result = if is_being_deleted {
        let mut events =
            Events::of_running_operation(&session.cloudformation, &stack.id, &stack.name).await?;
        follow_deletion(session, &stack, &disposition, &mut events, terminal).await?
    } else {
        delete(session, &stack, &disposition, terminal).await?
    };
    let has_consent = context.yes || !is_being_deleted;
    let may_retry = has_consent && disposition.buckets().next().is_some();
    if result.status.state() != StackState::Deleted && may_retry {
        // A job may have stored an object after the bucket was emptied.
        result = delete(session, &stack, &disposition, terminal).await?;
    }
    if result.status.state() != StackState::Deleted {
        return Err(StackError::OperationFailed {
            stack: stack.name,
            result,
            construct: None,
        });
    }
    terminal.done(format!("{name} is deleted"));
    disposition.show_retained(context.hints, terminal);
    terminal.line(shared_resources(&stack));
    Ok(CommandOutcome::Done)
}

async fn confirm(name: &StackName, terminal: &mut Terminal) -> anyhow::Result<bool> {
    let question = format!("Type the name of the stack to delete it ({name}):");
    let instead = "give --yes to delete it without a question";
    Ok(terminal.ask(&question, instead).await? == name.as_str())
}

/// Names what deployments created outside of the stack. Other stacks may use it.
fn shared_resources(stack: &DeployedStack) -> String {
    let bucket = stack.parameters.get("ArtifactBucket");
    let bucket = bucket.map_or_else(String::new, |name| {
        format!("    the bucket {name}, with the functions' packages\n")
    });
    format!(
        "  these remain, because other stacks may use them:\n{bucket}    the stack {}, if it was \
         set up",
        logging_role::STACK
    )
}

/// Refuses a stack of another application or environment, and one that CloudFormation would not
/// delete.
fn require_deletable(context: &DestroyContext<'_>, stack: &DeployedStack) -> anyhow::Result<()> {
    let DeployedStack { name, status, .. } = stack;
    // A stack without resources has neither tags nor a description.
    if status.state() != StackState::Empty {
        let template = synthesize(context.project, &context.environment)?;
        require_own_stack(
            stack,
            context.project.product.name,
            &context.environment,
            template.description(),
        )?;
    }
    if stack.termination_protection {
        bail!(
            "the stack {name} has termination protection\n  help: to delete it, disable the \
             protection first: {}",
            context.hints.disable_termination_protection(name)
        );
    }
    // CloudFormation deletes a stack that is being created, but not one that is being updated.
    let can_be_deleted = matches!(
        status,
        StackStatus::CreateInProgress | StackStatus::DeleteInProgress
    );
    if status.state() == StackState::InProgress && !can_be_deleted {
        bail!(
            "the stack {name} is {status}: {}\n  help: {} follows it to its end; then delete it",
            status.meaning(),
            context.hints.deploy(name),
        );
    }
    Ok(())
}

impl Disposition {
    /// Reads the stack's resources, and from its template which of them are retained.
    async fn of(session: &AwsSession, stack: &DeployedStack) -> anyhow::Result<Self> {
        // A stack whose first change set was never executed has no template.
        if stack.status.state() == StackState::Empty {
            return Ok(Self::default());
        }
        let template = stack.template(&session.cloudformation).await?;
        let ids: Vec<_> = template.document.retained().collect();
        let (retained, deleted) = stack
            .resources(&session.cloudformation)
            .await?
            .into_iter()
            .partition(|resource| ids.contains(&resource.logical_id.as_str()));
        Ok(Self { retained, deleted })
    }

    /// The buckets that are deleted, which have to be emptied first.
    fn buckets(&self) -> impl Iterator<Item = &DeployedResource> {
        let buckets = self.deleted.iter();
        buckets.filter(|it| it.kind == "AWS::S3::Bucket" && !it.physical_id.is_empty())
    }

    /// The deleted resources that hold data.
    fn data(&self) -> Vec<DeployedResource> {
        let deleted = self.deleted.iter();
        deleted.filter(|it| holds_data(&it.kind)).cloned().collect()
    }

    fn show(&self, terminal: &Terminal, session: &AwsSession, stack: &DeployedStack) {
        let DeployedStack { name, status, .. } = stack;
        terminal.line(format!("{name} in {} is {status}", session.region));
        terminal.line(format!("\n{} resources are deleted", self.deleted.len()));
        let data = self.data();
        if !data.is_empty() {
            terminal.line(format!("  with the data in these:\n{}", list(&data)));
        }
        if !self.retained.is_empty() {
            terminal.line(format!(
                "\n{} resources remain in the account, because their DeletionPolicy is Retain\n{}",
                self.retained.len(),
                list(&self.retained)
            ));
        }
    }

    /// Names what remains after the deletion, and what the next deployment needs.
    fn show_retained(&self, hints: &Hints<'_>, terminal: &Terminal) {
        if self.retained.is_empty() {
            return;
        }
        terminal.line(format!("  these remain:\n{}", list(&self.retained)));
        let protected = self.retained.iter().filter(|it| it.protected);
        let protected: Vec<_> = protected.map(|it| it.physical_id.as_str()).collect();
        if let Some(first) = hints.delete_remaining_tables(&protected) {
            terminal.line(format!("  before the next deployment, {first}"));
        }
    }
}

fn list(resources: &[DeployedResource]) -> String {
    let lines = resources.iter().map(|resource| {
        let DeployedResource {
            logical_id,
            physical_id,
            kind,
            ..
        } = resource;
        format!("    {logical_id} ({kind}) {physical_id}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Empties the buckets, then deletes the stack.
async fn delete(
    session: &AwsSession,
    stack: &DeployedStack,
    disposition: &Disposition,
    terminal: &mut Terminal,
) -> Result<WatchResult, StackError> {
    for bucket in disposition.buckets() {
        let name = &bucket.physical_id;
        terminal.start(format!("emptying the bucket {name}"));
        let count = empty_bucket(&session.s3, name).await?;
        terminal.done(format!("deleted {count} objects from the bucket {name}"));
    }
    let mut events = Events::from_now(&session.cloudformation, &stack.id, &stack.name).await?;
    stack.delete(&session.cloudformation).await?;
    let result = follow_deletion(session, stack, disposition, &mut events, terminal).await?;
    if result.status.is_of_deletion() {
        return Ok(result);
    }
    // That was the end of the creation that was in progress; the deletion follows it.
    follow_deletion(session, stack, disposition, &mut events, terminal).await
}

async fn follow_deletion(
    session: &AwsSession,
    stack: &DeployedStack,
    disposition: &Disposition,
    events: &mut Events,
    terminal: &mut Terminal,
) -> Result<WatchResult, StackError> {
    let total = disposition.deleted.len();
    follow(session, &stack.name, total, events, terminal).await
}

/// What the message about an interruption says of the stack.
async fn interruption(context: &DestroyContext<'_>) -> Interruption {
    match DeployedStack::find(&context.session.cloudformation, context.name.as_str()).await {
        Ok(Some(DeployedStack { name, status, .. })) => Interruption::Stack { name, status },
        Ok(None) => Interruption::Deleted,
        Err(error) => Interruption::Unknown(error.into()),
    }
}
