//! The values of the template's parameters.

use crate::{
    deploy::{DeployedTemplate, ParameterSources, ParameterValues, resolve_parameters},
    template::Template,
};

use super::{context::DeployContext, preflight::DeployTarget};

/// Resolves every parameter: the command line comes first, then the packages' `locations`, then the
/// deployed stack, then the template's default.
pub(super) fn parameters(
    context: &DeployContext,
    target: &DeployTarget,
    template: &Template,
    locations: &ParameterValues,
    deployed: Option<&DeployedTemplate>,
) -> anyhow::Result<ParameterValues> {
    let deployed = target
        .stack
        .as_ref()
        .zip(deployed)
        .map(|(stack, template)| (&stack.parameters, &template.document));
    let sources = ParameterSources {
        given: &context.request.parameters,
        packages: locations,
        deployed,
    };
    Ok(resolve_parameters(template, sources)?)
}
