//! Whose a stack is: nobody else's is written over or deleted, nor another environment's.

use anyhow::bail;
use infra_gen::{constructs::stack_tags, deploy::DeployedStack, environments::Environment};

/// Refuses a stack that is not Stagecast's, or is for another environment. `description` is what
/// its template says of itself.
pub(crate) fn must_be_ours(
    stack: &DeployedStack,
    environment: &Environment,
    description: &str,
) -> anyhow::Result<()> {
    let name = &stack.name;
    let [(application, ours), (tag, environment)] = stack_tags(environment);
    let is_tagged = stack
        .tags
        .get(application)
        .is_some_and(|value| value == ours);
    if !is_tagged && stack.description != description {
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
