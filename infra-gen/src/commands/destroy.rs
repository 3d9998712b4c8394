//! `infra-gen destroy`.

use anyhow::{anyhow, bail};
use clap::Args;
use infra_gen::{
    deploy::{
        DeployedResource, DeployedStack, Ending, Events, Naming, Session, StackState, empty,
        holds_data, logging_role,
    },
    environments::Overrides,
    stack::synthesize,
};

use super::{
    operation::{Operation, delete_by_hand, failure},
    ownership::must_be_ours,
    target::{Target, block_on, unless_interrupted},
    terminal::Terminal,
};
use crate::Outcome;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Do not ask before anything is deleted.
    #[arg(long)]
    yes: bool,
}

/// The state of a stack that someone has had deleted, and that is not gone yet.
const DELETING: &str = "DELETE_IN_PROGRESS";

/// The state of a stack that is being made.
const MAKING: &str = "CREATE_IN_PROGRESS";

/// What becomes of a stack's resources.
#[derive(Debug, Default)]
struct Disposition {
    kept: Vec<DeployedResource>,
    deleted: Vec<DeployedResource>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    block_on(async {
        if let Some(result) = unless_interrupted(Box::pin(destroy(arguments))).await {
            return result;
        }
        let said = unless_interrupted(Box::pin(stopped(arguments))).await;
        Err(said.unwrap_or_else(|| anyhow!("interrupted again")))
    })
}

async fn destroy(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let mut terminal = Terminal::new();
    let session = arguments.target.session().await?;
    let name = arguments.target.stack_name()?.to_string();
    let Some(stack) = DeployedStack::find(&session, &name).await? else {
        terminal.done(format!("there is no stack {name} in {}", session.region));
        return Ok(Outcome::Done);
    };
    let environment = arguments.target.environment(&Overrides::default())?;
    // What has nothing in it has neither tags nor a description.
    if stack.status.state() != StackState::Empty {
        must_be_ours(
            &stack,
            &environment,
            synthesize(&environment)?.description(),
        )?;
    }
    refuse_what_cannot_be(&stack, &arguments.target)?;
    let fate = fate(&session, &stack).await?;
    show(&terminal, &session, &stack, &fate);
    let goes_already = stack.status.as_str() == DELETING;
    if !arguments.yes && !goes_already {
        let question = format!("Type the name of the stack to delete it ({name}):");
        let instead = "give --yes to have it deleted unasked";
        if terminal.ask(&question, instead).await? != name {
            terminal.line("Nothing was deleted.");
            return Ok(Outcome::Differs);
        }
    }
    let mut ending = if goes_already {
        let mut events = Events::of_running_operation(&session, &stack.id, &name).await?;
        follow(
            arguments,
            &session,
            &stack,
            &fate,
            &mut events,
            &mut terminal,
        )
        .await?
    } else {
        delete(arguments, &session, &stack, &fate, &mut terminal).await?
    };
    let asked = arguments.yes || !goes_already;
    if ending.status.state() != StackState::Gone && asked && fate.buckets().next().is_some() {
        // A job may have stored something between the emptying and the deletion.
        ending = delete(arguments, &session, &stack, &fate, &mut terminal).await?;
    }
    if ending.status.state() != StackState::Gone {
        let next = format!(
            "`infra-gen destroy{}` tries again",
            arguments.target.repeat()
        );
        let naming = arguments.target.naming(&name);
        return Err(failure(&naming, &ending, None, &next));
    }
    terminal.done(format!("{name} is gone"));
    if !fate.kept.is_empty() {
        terminal.line(format!("  what was kept of it:\n{}", list(&fate.kept)));
        let protected = fate.kept.iter().filter(|it| it.protected);
        let protected: Vec<_> = protected.map(|it| it.physical_id.as_str()).collect();
        let naming = arguments.target.naming(&name);
        if let Some(first) = delete_by_hand(&protected, &naming) {
            terminal.line(format!("  before it is deployed again, {first}"));
        }
    }
    terminal.line(others(&stack));
    Ok(Outcome::Done)
}

/// What deploying has made that is no part of the stack: other stacks may use it.
fn others(stack: &DeployedStack) -> String {
    let bucket = stack.parameters.get("ArtifactBucket");
    let bucket = bucket.map_or_else(String::new, |name| {
        format!("    the bucket {name}, with the functions' packages\n")
    });
    format!(
        "  what other stacks may use, and so stays:\n{bucket}    the stack {}, if it was set up",
        logging_role::STACK
    )
}

/// Says of a stack that CloudFormation would not delete why, and what to do.
fn refuse_what_cannot_be(stack: &DeployedStack, target: &Target) -> anyhow::Result<()> {
    let DeployedStack { name, status, .. } = stack;
    let Naming { options, aws, .. } = target.naming(name);
    if stack.termination_protection {
        bail!(
            "the stack {name} is protected from being deleted\n  what to do: if it really shall \
             go, `aws cloudformation update-termination-protection --stack-name {name} \
             --no-enable-termination-protection{aws}`"
        );
    }
    // CloudFormation deletes what it is making, but not what it is changing.
    let may_go = [DELETING, MAKING].contains(&status.as_str());
    if status.state() == StackState::Busy && !may_go {
        bail!(
            "the stack {name} is {status}: {}\n  what to do: `infra-gen deploy{options}` watches it to its \
             end; then destroy it",
            status.meaning()
        );
    }
    Ok(())
}

/// Finds out what would go and what would stay.
async fn fate(session: &Session, stack: &DeployedStack) -> anyhow::Result<Disposition> {
    // A stack whose first change set was never executed has no template yet.
    if stack.status.state() == StackState::Empty {
        return Ok(Disposition::default());
    }
    let template = stack.template(session).await?;
    let retained: Vec<_> = template.document.retained().collect();
    let (kept, deleted) = stack
        .resources(session)
        .await?
        .into_iter()
        .partition(|resource| retained.contains(&resource.logical_id.as_str()));
    Ok(Disposition { kept, deleted })
}

impl Disposition {
    /// The buckets that go, and so have to be emptied.
    fn buckets(&self) -> impl Iterator<Item = &DeployedResource> {
        let buckets = self.deleted.iter();
        buckets.filter(|it| it.kind == "AWS::S3::Bucket" && !it.physical_id.is_empty())
    }

    /// What goes and cannot be had again.
    fn data(&self) -> Vec<DeployedResource> {
        let deleted = self.deleted.iter();
        deleted.filter(|it| holds_data(&it.kind)).cloned().collect()
    }
}

fn show(terminal: &Terminal, session: &Session, stack: &DeployedStack, fate: &Disposition) {
    let DeployedStack { name, status, .. } = stack;
    terminal.line(format!("{name} in {} is {status}", session.region));
    terminal.line(format!("\n{} resources are deleted", fate.deleted.len()));
    let data = fate.data();
    if !data.is_empty() {
        terminal.line(format!("  with all that these hold:\n{}", list(&data)));
    }
    if !fate.kept.is_empty() {
        terminal.line(format!(
            "\n{} resources are kept in the account, as the environment says\n{}",
            fate.kept.len(),
            list(&fate.kept)
        ));
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

/// Empties the buckets that go, then has the stack deleted.
async fn delete(
    arguments: &Arguments,
    session: &Session,
    stack: &DeployedStack,
    fate: &Disposition,
    terminal: &mut Terminal,
) -> anyhow::Result<Ending> {
    for bucket in fate.buckets() {
        let name = &bucket.physical_id;
        terminal.start(format!("emptying the bucket {name}"));
        let count = empty(session, name).await?;
        terminal.done(format!("emptied the bucket {name} of {count} objects"));
    }
    let mut events = Events::from_now(session, &stack.id, &stack.name).await?;
    stack.delete(session).await?;
    let ending = follow(arguments, session, stack, fate, &mut events, terminal).await?;
    if ending.status.is_of_deletion() {
        return Ok(ending);
    }
    // It was still being made just before, and that has come to its own end first.
    follow(arguments, session, stack, fate, &mut events, terminal).await
}

async fn follow(
    arguments: &Arguments,
    session: &Session,
    stack: &DeployedStack,
    fate: &Disposition,
    events: &mut Events,
    terminal: &mut Terminal,
) -> anyhow::Result<Ending> {
    let again = format!(
        "`infra-gen destroy{}` watches it to its end",
        arguments.target.repeat()
    );
    let operation = Operation {
        session,
        stack: &stack.name,
        total: fate.deleted.len(),
        go_on: &again,
    };
    operation.follow(terminal, events).await
}

/// What is said to whoever stops the deletion.
async fn stopped(arguments: &Arguments) -> anyhow::Error {
    let again = arguments.target.repeat();
    let found = async {
        let session = arguments.target.session().await?;
        let name = arguments.target.stack_name()?;
        Ok::<_, anyhow::Error>(DeployedStack::find(&session, name.as_str()).await?)
    };
    let found = match found.await {
        Ok(found) => found,
        Err(error) => {
            return anyhow!(
                "interrupted, and the state of the stack cannot be told: {error:#}\n  how to go on: \
                 `infra-gen destroy{again}` watches what has begun to its end"
            );
        }
    };
    match found {
        Some(stack) if stack.status.state() == StackState::Busy => anyhow!(
            "interrupted; the stack {} is {}: {}, and CloudFormation goes on by itself\n  how to go \
             on: `infra-gen destroy{again}` watches it to its end",
            stack.name,
            stack.status,
            stack.status.meaning()
        ),
        Some(stack) => anyhow!("interrupted; the stack {} is {}", stack.name, stack.status),
        None => anyhow!("interrupted; the stack is gone"),
    }
}
