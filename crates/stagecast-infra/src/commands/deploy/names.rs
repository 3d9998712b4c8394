//! Ensures that the names of the stack's tables and queues are free.

use crate::{
    deploy::{CallErrorKind, Owner, ParameterValues, deployed_package_parameters},
    diff::{ChosenName, TemplateDocument},
    template::Format,
};

use super::{
    context::DeployContext, parameters::parameters, plan::StackToDeploy, preflight::DeployTarget,
};
use crate::commands::{stack_error::StackError, terminal::Terminal};

/// The names in the template that are not yet names of this stack's resources.
pub(super) async fn new_names(
    context: &DeployContext,
    target: &DeployTarget,
    stack: &StackToDeploy,
) -> anyhow::Result<Vec<ChosenName>> {
    let nothing = ParameterValues::new();
    let known = target.stack.as_ref().map(|stack| &stack.parameters);
    let packages =
        deployed_package_parameters(context.request.project.product, known.unwrap_or(&nothing));
    let deployed = stack.deployed.as_ref();
    let values = parameters(context, target, &stack.template, &packages, deployed)?;
    let document = stack.template.to_json(Format::CloudFormation)?;
    let document = TemplateDocument::from_json(document)?;
    let mut names = document.with_values(&values).chosen_names();
    if let Some(stack) = &target.stack {
        let resources = stack.resources(&context.session.cloudformation).await?;
        names.retain(|chosen| {
            // The physical id of a queue is its URL.
            let is_own = |id: &str| id == chosen.name || id.ends_with(&format!("/{}", chosen.name));
            let mut same_type = resources.iter().filter(|it| it.kind == chosen.kind);
            !same_type.any(|it| is_own(&it.physical_id))
        });
    }
    Ok(names)
}

/// Fails if a resource in the account has one of these names.
pub(super) async fn require_free(
    context: &DeployContext,
    names: &[ChosenName],
    terminal: &mut Terminal,
) -> Result<(), StackError> {
    terminal.start("checking that the names of tables and queues are free");
    let (mut taken, mut denied) = (Vec::new(), None);
    for chosen in names {
        match Owner::find(&context.session, &chosen.kind, &chosen.name).await {
            Ok(Some(owner)) => taken.push((chosen.clone(), owner)),
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
    Err(StackError::NamesTaken {
        stack: context.request.stack_name.to_string(),
        environment: context.request.environment.name,
        names: taken,
    })
}
