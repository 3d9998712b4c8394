//! Protects stacks of other applications and of other environments.

use crate::{construct_options::stack_tags, deploy::DeployedStack, environments::Environment};
use anyhow::bail;

/// The description in the templates of the first version. SAM's stacks have no other mark.
const FIRST_DESCRIPTION: &str = "Stagecast: tells who waits for a job how far it is, live";

/// Refuses a stack that does not belong to the product, or that belongs to another environment.
/// `description` is the description in the template of the product's stack; it identifies stacks that
/// have no tags.
pub(crate) fn require_own_stack(
    stack: &DeployedStack,
    product: &'static str,
    environment: &Environment,
    description: &str,
) -> anyhow::Result<()> {
    let name = &stack.name;
    let [(application, ours), (tag, environment)] = stack_tags(product, environment);
    let is_tagged = stack
        .tags
        .get(application)
        .is_some_and(|value| value == ours);
    if !is_tagged && ![description, FIRST_DESCRIPTION].contains(&stack.description.as_str()) {
        bail!(
            "the name {name} is taken by a stack that does not belong to {product} (\"{}\")\n  help: \
             choose another name with --stack-name, or another region with --region",
            stack.description
        );
    }
    match stack.tags.get(tag) {
        Some(other) if other != environment => bail!(
            "the name {name} is taken by a stack of the environment {other}, not {environment}\n  \
             help: give --environment {other}, or choose another name with --stack-name"
        ),
        _ => Ok(()),
    }
}
