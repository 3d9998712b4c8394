//! What a deployment would do, as the difference of the templates explains it and as
//! CloudFormation's change set says it.

use serde_json::Value;

use super::{Action, Detail, PlannedChange};
use crate::diff::{
    Cause, ChangeAction, Difference, PropertyChange, PropertyPath, ResourceChange, is_iam,
};

/// The types that hold what cannot be had again.
const DATA: [&str; 3] = ["AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::SQS::Queue"];

/// Whether a resource of this type holds what cannot be had again.
pub fn holds_data(kind: &str) -> bool {
    DATA.contains(&kind)
}

/// What people are told about changes that only the change set knows.
const SOURCE: &str = "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-changesets.html";

/// The difference of the templates, with what the change set says beyond it: what follows from a
/// condition, from another resource's new id, or from rules that are not known here.
#[must_use]
pub fn explain(mut difference: Difference, planned: &[PlannedChange]) -> Difference {
    for known in difference.iam.iter_mut().chain(&mut difference.resources) {
        let is_planned = planned.iter().any(|it| it.logical_id == known.logical_id);
        if known.action == ChangeAction::Replaced && !is_planned {
            stays(known);
        }
    }
    for change in planned {
        let known = difference
            .iam
            .iter_mut()
            .chain(&mut difference.resources)
            .find(|it| it.logical_id == change.logical_id);
        match known {
            Some(known) => confirm(known, change),
            // Whatever gets another id, and what follows it, the templates have told already.
            None if change.only_follows() => {}
            None if is_iam(&change.kind) => difference.iam.push(unforeseen(change)),
            None => difference.resources.push(unforeseen(change)),
        }
    }
    difference
}

/// Lets CloudFormation have the last word on what is replaced.
fn confirm(known: &mut ResourceChange, planned: &PlannedChange) {
    if matches!(planned.action, Action::Replace | Action::MaybeReplace)
        && known.action == ChangeAction::Changed
    {
        known.action = ChangeAction::Replaced;
        known.causes = causes(planned);
    }
    if planned.action == Action::Modify && known.action == ChangeAction::Replaced {
        stays(known);
    }
    known.replacement_unknown = false;
}

/// What the templates take for a replacement, and CloudFormation does not.
fn stays(known: &mut ResourceChange) {
    known.action = ChangeAction::Changed;
    known.causes.clear();
    known.fate = None;
    known.replacement_unknown = false;
}

fn unforeseen(planned: &PlannedChange) -> ResourceChange {
    let replaced = matches!(planned.action, Action::Replace | Action::MaybeReplace);
    ResourceChange {
        logical_id: planned.logical_id.clone(),
        kind: planned.kind.clone(),
        action: match planned.action {
            Action::Add => ChangeAction::Added,
            Action::Modify => ChangeAction::Changed,
            Action::Replace | Action::MaybeReplace => ChangeAction::Replaced,
            Action::Remove => ChangeAction::Removed,
        },
        causes: if replaced {
            causes(planned)
        } else {
            Vec::new()
        },
        fate: None,
        replacement_unknown: false,
        refusals: Vec::new(),
        changes: properties(&planned.details),
    }
}

fn causes(planned: &PlannedChange) -> Vec<Cause> {
    let mut causes: Vec<Cause> = Vec::new();
    for detail in planned.details.iter().filter(|detail| detail.recreates) {
        let cause = Cause {
            property: detail.property.clone(),
            conditional: planned.action == Action::MaybeReplace,
            follows: detail.resource(),
            source: SOURCE.to_owned(),
        };
        if !causes.contains(&cause) {
            causes.push(cause);
        }
    }
    causes
}

fn properties(details: &[Detail]) -> Vec<PropertyChange> {
    let mut changes: Vec<PropertyChange> = Vec::new();
    for detail in details {
        let path = PropertyPath::default();
        let path = if detail.property.is_empty() {
            path
        } else {
            path.name(&detail.property)
        };
        let change = PropertyChange {
            attribute: detail.attribute.clone(),
            path,
            before: None,
            after: detail
                .cause
                .clone()
                .map(|cause| Value::from(format!("by {cause}"))),
            follows: None,
        };
        if !changes.contains(&change) {
            changes.push(change);
        }
    }
    changes
}

impl PlannedChange {
    /// Whether it is only listed because something that it refers to is changed.
    fn only_follows(&self) -> bool {
        !holds_data(&self.kind)
            && matches!(self.action, Action::Modify | Action::MaybeReplace)
            && !self.details.is_empty()
            && self.details.iter().all(|detail| detail.follows_resource)
    }
}

impl Detail {
    /// The resource that it follows. What CloudFormation names is `Table.Arn`, or a parameter.
    fn resource(&self) -> Option<String> {
        let (resource, _) = self.cause.as_deref()?.split_once('.')?;
        Some(resource.to_owned())
    }
}

/// The resources that hold data and would be replaced or removed: what is in them would be lost, or
/// at least be out of the system's reach.
pub fn data_loss_changes(difference: &Difference) -> Vec<&ResourceChange> {
    let lost = |change: &&ResourceChange| {
        matches!(
            change.action,
            ChangeAction::Replaced | ChangeAction::Removed
        ) && holds_data(&change.kind)
    };
    difference.resources.iter().filter(lost).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(
        logical_id: &str,
        kind: &str,
        action: Action,
        details: Vec<Detail>,
    ) -> PlannedChange {
        PlannedChange {
            logical_id: logical_id.to_owned(),
            kind: kind.to_owned(),
            action,
            details,
        }
    }

    fn detail(property: &str, recreates: bool, cause: Option<&str>) -> Detail {
        Detail {
            attribute: "Properties".to_owned(),
            property: property.to_owned(),
            recreates,
            cause: cause.map(str::to_owned),
            follows_resource: cause.is_some_and(|cause| cause.contains('.')),
        }
    }

    fn known(logical_id: &str, kind: &str, action: ChangeAction) -> ResourceChange {
        ResourceChange {
            logical_id: logical_id.to_owned(),
            kind: kind.to_owned(),
            action,
            causes: Vec::new(),
            fate: None,
            replacement_unknown: true,
            refusals: Vec::new(),
            changes: Vec::new(),
        }
    }

    #[test]
    fn cloudformation_has_the_last_word_on_what_is_replaced() {
        let table = "AWS::DynamoDB::Table";
        let difference = Difference {
            resources: vec![known("Jobs", table, ChangeAction::Changed)],
            ..Difference::default()
        };
        let details = vec![
            detail("SSESpecification", false, None),
            detail("Odd", true, None),
        ];
        let plan = explain(
            difference,
            &[planned("Jobs", table, Action::Replace, details)],
        );
        assert_eq!(plan.resources[0].action, ChangeAction::Replaced);
        assert_eq!(plan.resources[0].causes[0].property, "Odd");
        assert_eq!(data_loss_changes(&plan).len(), 1);
    }

    #[test]
    fn what_cloudformation_does_not_replace_is_not_said_to_be_replaced() {
        let table = "AWS::DynamoDB::Table";
        let difference = || Difference {
            resources: vec![known("Jobs", table, ChangeAction::Replaced)],
            ..Difference::default()
        };
        let modified = planned("Jobs", table, Action::Modify, Vec::new());
        for planned in [vec![modified], Vec::new()] {
            let plan = explain(difference(), &planned);
            assert_eq!(plan.resources[0].action, ChangeAction::Changed);
            assert!(data_loss_changes(&plan).is_empty());
        }
        let replaced = planned("Jobs", table, Action::Replace, Vec::new());
        let plan = explain(difference(), &[replaced]);
        assert_eq!(plan.resources[0].action, ChangeAction::Replaced);
    }

    #[test]
    fn what_only_the_change_set_knows_is_added_with_its_cause_and_iam_apart() {
        let details = vec![detail("Code", false, Some("JobsCodeKey"))];
        let plan = explain(
            Difference::default(),
            &[
                planned("Function", "AWS::Lambda::Function", Action::Modify, details),
                planned(
                    "Permission",
                    "AWS::Lambda::Permission",
                    Action::Add,
                    Vec::new(),
                ),
            ],
        );
        assert_eq!(plan.iam[0].action, ChangeAction::Added);
        assert!(
            plan.to_string().contains("+ Code: by JobsCodeKey"),
            "{plan}"
        );
    }

    #[test]
    fn what_only_refers_to_something_that_keeps_its_id_is_no_change() {
        let details = vec![detail("IntegrationUri", true, Some("JobsFunction.Arn"))];
        let kind = "AWS::ApiGatewayV2::Integration";
        let follows = planned("Integration", kind, Action::MaybeReplace, details.clone());
        assert!(explain(Difference::default(), &[follows]).is_empty());
        let table = planned(
            "Jobs",
            "AWS::DynamoDB::Table",
            Action::MaybeReplace,
            details,
        );
        assert_eq!(
            data_loss_changes(&explain(Difference::default(), &[table])).len(),
            1
        );
    }

    #[test]
    fn only_what_holds_data_is_a_loss() {
        let difference = Difference {
            resources: vec![
                known("Jobs", "AWS::DynamoDB::Table", ChangeAction::Removed),
                known("Events", "AWS::DynamoDB::Table", ChangeAction::Changed),
                known("Stage", "AWS::ApiGatewayV2::Stage", ChangeAction::Replaced),
            ],
            ..Difference::default()
        };
        let lost: Vec<_> = data_loss_changes(&difference)
            .iter()
            .map(|it| it.logical_id.clone())
            .collect();
        assert_eq!(lost, ["Jobs"]);
    }
}
