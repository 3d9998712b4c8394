//! Roles that allow more than they need to.

use cloudformation::{
    LogicalId, StringValue, Template,
    resources::iam::{Effect, Role, Statement, Target},
};

use super::finding::Finding;

pub(super) fn findings(template: &Template) -> Vec<Finding> {
    template
        .resources_of::<Role>()
        .flat_map(|(id, role)| {
            role.policies
                .iter()
                .flat_map(|policy| policy.policy_document.statements())
                .filter(|statement| statement.effect == Effect::Allow)
                .flat_map(move |statement| check_statement(id, statement))
        })
        .collect()
}

fn check_statement(role: &LogicalId, statement: &Statement) -> Vec<Finding> {
    let mut findings = Vec::new();
    for action in &statement.action {
        if action.contains('*') {
            findings.push(Finding::problem(
                role,
                format!("it allows {action}: name each action that is used"),
            ));
        }
    }
    match &statement.resource {
        Some(Target::Everything { reason }) => findings.push(Finding::note(
            role,
            format!(
                "it allows {} on '*': {reason}",
                statement.action.join(" and ")
            ),
        )),
        Some(Target::Arns(arns)) if arns.contains(&StringValue::from("*")) => {
            findings.push(Finding::problem(
                role,
                format!(
                    "it allows {} on '*' without a reason: use Target::Everything with a reason",
                    statement.action.join(" and ")
                ),
            ));
        }
        Some(Target::Arns(_)) | None => {}
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloudformation::ConstructPath;

    fn of(statement: &Statement) -> Vec<String> {
        check_statement(&ConstructPath::root("role").logical_id(), statement)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn star_in_an_action_is_a_problem() {
        let arn = Target::Arns(vec!["arn:aws:s3:::b".into()]);
        assert_eq!(
            of(&Statement::allow("Objects", ["s3:Get*"], arn)),
            ["problem: Role: it allows s3:Get*: name each action that is used"]
        );
    }

    #[test]
    fn star_as_resource_needs_a_reason() {
        let everything = Target::Everything {
            reason: "so".into(),
        };
        assert_eq!(
            of(&Statement::allow(
                "Traces",
                ["xray:PutTraceSegments"],
                everything
            )),
            ["note: Role: it allows xray:PutTraceSegments on '*': so"]
        );
        let without_reason = Target::Arns(vec!["*".into()]);
        let findings = of(&Statement::allow(
            "Traces",
            ["xray:PutTraceSegments"],
            without_reason,
        ));
        assert!(findings[0].starts_with("problem: "), "{findings:?}");
    }
}
