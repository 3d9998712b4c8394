//! The names of a stack's tables and queues: no other stack may have them.

use anyhow::bail;
use infra_gen::{
    deploy::{CallErrorKind, DeployedTemplate, Owner, Values, of_unknown_packages},
    diff::{ChosenName, TemplateDocument},
    template::{Format, Template},
};

use super::{Arguments, parameters, preflight::DeployContext};
use crate::commands::{operation::commands_that_delete, terminal::Terminal};

/// The names that the stack would have, and does not have yet.
pub(super) async fn new_names(
    arguments: &Arguments,
    context: &DeployContext,
    template: &Template,
    deployed: Option<&DeployedTemplate>,
) -> anyhow::Result<Vec<ChosenName>> {
    let nothing = Values::new();
    let known = context.stack.as_ref().map(|stack| &stack.parameters);
    let filled = of_unknown_packages(known.unwrap_or(&nothing));
    let values = parameters(arguments, context, template, &filled, deployed)?;
    let document = TemplateDocument::from_json(template.to_json(Format::CloudFormation)?)?;
    let mut names = document.with_values(&values).chosen_names();
    if let Some(stack) = &context.stack {
        let own = stack.resources(&context.session).await?;
        names.retain(|chosen| {
            // The id of a queue is its URL.
            let is_own = |id: &str| id == chosen.name || id.ends_with(&format!("/{}", chosen.name));
            let mut own = own.iter().filter(|it| it.kind == chosen.kind);
            !own.any(|it| is_own(&it.physical_id))
        });
    }
    Ok(names)
}

/// Refuses to go on if something in the account has one of these names.
pub(super) async fn refuse_taken(
    names: &[ChosenName],
    arguments: &Arguments,
    context: &DeployContext,
    terminal: &mut Terminal,
) -> anyhow::Result<()> {
    terminal.start("checking that the names of tables and queues are free");
    let (mut taken, mut denied) = (Vec::new(), None);
    for chosen in names {
        match Owner::find(&context.session, &chosen.kind, &chosen.name).await {
            Ok(Some(owner)) => taken.push((chosen, owner)),
            Ok(None) => {}
            Err(error) if error.kind == CallErrorKind::Denied => denied = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    terminal.finish();
    if let Some(error) = denied {
        terminal.warn(format!(
            "{error}\n  not every name could be checked; CloudFormation refuses names that are taken"
        ));
    }
    if taken.is_empty() {
        return Ok(());
    }
    let lines: Vec<_> = taken
        .iter()
        .map(|(chosen, owner)| {
            let ChosenName {
                logical_id,
                kind,
                name,
            } = chosen;
            format!("\n    {logical_id} ({kind}): '{name}' exists, {owner}")
        })
        .collect();
    let is_left = |owner: &Owner| !matches!(owner, Owner::Stack(_));
    let left = taken.iter().filter(|(_, owner)| is_left(owner));
    let left: Vec<_> = left
        .map(|(chosen, _)| (chosen.kind.as_str(), chosen.name.as_str()))
        .collect();
    let naming = arguments.target.naming(context.name.as_str());
    let delete = commands_that_delete(&left, &naming);
    let delete = delete.map_or_else(String::new, |commands| {
        format!("\n    or, if nothing needs what no stack owns, delete it:{commands}")
    });
    bail!(
        "the stack {} needs names that are taken:{}\n  nothing was changed\n  what to do: give this \
         stack names of its own, as in `infra-gen deploy --environment {} --name-suffix=-NAME`{delete}",
        context.name,
        lines.concat(),
        arguments.target.environment,
    )
}
