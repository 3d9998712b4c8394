//! Limits of CloudFormation and Lambda, which a deployment would exceed only after it has begun.

use cloudformation::{Format, RenderError, StringValue, Template, resources::lambda::Function};

use super::finding::Finding;

/// Limits of a template.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html>
const MAX_RESOURCES: usize = 500;
const MAX_PARAMETERS: usize = 200;
const MAX_OUTPUTS: usize = 200;
const MAX_TEMPLATE_BYTES: usize = 1024 * 1024;

/// The limit of all environment variables of a function together.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const MAX_VARIABLE_BYTES: usize = 4 * 1024;

pub(super) fn findings(template: &Template) -> Result<Vec<Finding>, RenderError> {
    let mut findings = Vec::new();
    let size = template.render(Format::CloudFormation).to_yaml()?.len();
    for (what, number, limit) in [
        ("resources", template.resources().len(), MAX_RESOURCES),
        ("parameters", template.parameters().len(), MAX_PARAMETERS),
        ("outputs", template.outputs().len(), MAX_OUTPUTS),
        ("bytes", size, MAX_TEMPLATE_BYTES),
    ] {
        if number > limit {
            findings.push(Finding::problem(
                "the template",
                format!(
                    "it has {number} {what}, and CloudFormation allows {limit}: split the stack"
                ),
            ));
        }
    }
    for (id, function) in template.resources_of::<Function>() {
        let variables = &function.environment.variables;
        let bytes: usize = variables
            .iter()
            .map(|(name, value)| name.len() + known_bytes(value))
            .sum();
        if bytes > MAX_VARIABLE_BYTES {
            findings.push(Finding::problem(
                id,
                format!(
                    "its environment variables have at least {bytes} bytes, and Lambda allows \
                     {MAX_VARIABLE_BYTES}: list fewer allowed_origins, or fewer hosts for webhooks"
                ),
            ));
        }
    }
    Ok(findings)
}

/// The length of a text in bytes, without the values that are known only when the stack is deployed.
fn known_bytes(text: &StringValue) -> usize {
    match text {
        StringValue::Literal(literal) => literal.len(),
        StringValue::Ref(_) | StringValue::GetAtt(..) | StringValue::Sub(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        environments::{Environment, Origin},
        stack,
    };

    #[test]
    fn too_many_origins_for_the_environment_are_a_problem() {
        let mut environment = Environment::dev();
        environment.allowed_origins = (0..200)
            .map(|number| Origin::new(&format!("https://tenant-{number}.example.com")))
            .collect::<Result<_, _>>()
            .expect("origins");
        let template =
            stack::synthesize(crate::test_product::project(), &environment).expect("a template");
        let findings = findings(&template).expect("renders");
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].subject, "WebsocketFunction");
    }
}
