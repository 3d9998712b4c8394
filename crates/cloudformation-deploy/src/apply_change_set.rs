//! Combines the difference of two templates, which explains changes, with CloudFormation's change set,
//! which decides on them.

use serde_json::Value;

use crate::{PlannedAction, PlannedChange, PlannedDetail};
use cloudformation_diff::{
    Cause, ChangeAction, Difference, PropertyChange, PropertyPath, ResourceChange, is_iam,
};

/// The types of resources that hold data.
const DATA: [&str; 3] = ["AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::SQS::Queue"];

/// Whether resources of this type hold data, which a deletion loses.
pub fn holds_data(kind: &str) -> bool {
    DATA.contains(&kind)
}

/// The source of changes that only the change set has.
const SOURCE: &str = "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-changesets.html";

/// Corrects the difference of the templates by the change set, and adds the changes that only the
/// change set has: those that follow from a condition, from another resource's new id, or from rules
/// that the comparison does not know.
#[must_use]
pub fn apply_change_set(mut difference: Difference, planned: &[PlannedChange]) -> Difference {
    for known in difference.iam.iter_mut().chain(&mut difference.resources) {
        let is_planned = planned.iter().any(|it| it.logical_id == known.logical_id);
        if known.action == ChangeAction::Replaced && !is_planned {
            keep(known);
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
            // If the resource that it refers to is replaced, the templates' difference has both.
            None if change.only_follows() => {}
            None if is_iam(&change.kind) => difference.iam.push(change_of(change)),
            None => difference.resources.push(change_of(change)),
        }
    }
    difference
}

/// Corrects whether a resource is replaced.
fn confirm(known: &mut ResourceChange, planned: &PlannedChange) {
    if matches!(
        planned.action,
        PlannedAction::Replace | PlannedAction::MaybeReplace
    ) && known.action == ChangeAction::Changed
    {
        known.action = ChangeAction::Replaced;
        known.causes = causes(planned);
    }
    if planned.action == PlannedAction::Modify && known.action == ChangeAction::Replaced {
        keep(known);
    }
    known.replacement_unknown = false;
}

/// Marks a resource as updated in place, which the templates' difference has as replaced.
fn keep(known: &mut ResourceChange) {
    known.action = ChangeAction::Changed;
    known.causes.clear();
    known.fate = None;
    known.replacement_unknown = false;
}

fn change_of(planned: &PlannedChange) -> ResourceChange {
    let replaced = matches!(
        planned.action,
        PlannedAction::Replace | PlannedAction::MaybeReplace
    );
    ResourceChange {
        logical_id: planned.logical_id.clone(),
        kind: planned.kind.clone(),
        action: match planned.action {
            PlannedAction::Add => ChangeAction::Added,
            PlannedAction::Modify => ChangeAction::Changed,
            PlannedAction::Replace | PlannedAction::MaybeReplace => ChangeAction::Replaced,
            PlannedAction::Remove => ChangeAction::Removed,
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
            conditional: planned.action == PlannedAction::MaybeReplace,
            follows: detail.resource(),
            source: SOURCE.to_owned(),
        };
        if !causes.contains(&cause) {
            causes.push(cause);
        }
    }
    causes
}

fn properties(details: &[PlannedDetail]) -> Vec<PropertyChange> {
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
    /// Whether the change set lists the resource only because one that it refers to changes.
    fn only_follows(&self) -> bool {
        !holds_data(&self.kind)
            && matches!(
                self.action,
                PlannedAction::Modify | PlannedAction::MaybeReplace
            )
            && !self.details.is_empty()
            && self.details.iter().all(|detail| detail.follows_resource)
    }
}

impl PlannedDetail {
    /// The resource that the property refers to. The cause is `Table.Arn`, or a parameter's name.
    fn resource(&self) -> Option<String> {
        let (resource, _) = self.cause.as_deref()?.split_once('.')?;
        Some(resource.to_owned())
    }
}

/// The resources with data that are replaced or removed. Their data is lost, or at least out of the
/// system's reach.
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
        action: PlannedAction,
        details: Vec<PlannedDetail>,
    ) -> PlannedChange {
        PlannedChange {
            logical_id: logical_id.to_owned(),
            kind: kind.to_owned(),
            action,
            details,
        }
    }

    fn detail(property: &str, recreates: bool, cause: Option<&str>) -> PlannedDetail {
        PlannedDetail {
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
    fn change_set_decides_what_is_replaced() {
        let table = "AWS::DynamoDB::Table";
        let difference = Difference {
            resources: vec![known("Jobs", table, ChangeAction::Changed)],
            ..Difference::default()
        };
        let details = vec![
            detail("SSESpecification", false, None),
            detail("Odd", true, None),
        ];
        let plan = apply_change_set(
            difference,
            &[planned("Jobs", table, PlannedAction::Replace, details)],
        );
        assert_eq!(plan.resources[0].action, ChangeAction::Replaced);
        assert_eq!(plan.resources[0].causes[0].property, "Odd");
        assert_eq!(data_loss_changes(&plan).len(), 1);
    }

    #[test]
    fn resource_that_the_change_set_keeps_is_not_replaced() {
        let table = "AWS::DynamoDB::Table";
        let difference = || Difference {
            resources: vec![known("Jobs", table, ChangeAction::Replaced)],
            ..Difference::default()
        };
        let modified = planned("Jobs", table, PlannedAction::Modify, Vec::new());
        for planned in [vec![modified], Vec::new()] {
            let plan = apply_change_set(difference(), &planned);
            assert_eq!(plan.resources[0].action, ChangeAction::Changed);
            assert!(data_loss_changes(&plan).is_empty());
        }
        let replaced = planned("Jobs", table, PlannedAction::Replace, Vec::new());
        let plan = apply_change_set(difference(), &[replaced]);
        assert_eq!(plan.resources[0].action, ChangeAction::Replaced);
    }

    #[test]
    fn change_of_the_change_set_alone_is_added_with_its_cause() {
        let details = vec![detail("Code", false, Some("JobsCodeKey"))];
        let plan = apply_change_set(
            Difference::default(),
            &[
                planned(
                    "Function",
                    "AWS::Lambda::Function",
                    PlannedAction::Modify,
                    details,
                ),
                planned(
                    "Permission",
                    "AWS::Lambda::Permission",
                    PlannedAction::Add,
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
    fn reference_to_a_resource_that_keeps_its_id_is_no_change() {
        let details = vec![detail("IntegrationUri", true, Some("JobsFunction.Arn"))];
        let kind = "AWS::ApiGatewayV2::Integration";
        let follows = planned(
            "Integration",
            kind,
            PlannedAction::MaybeReplace,
            details.clone(),
        );
        assert!(apply_change_set(Difference::default(), &[follows]).is_empty());
        let table = planned(
            "Jobs",
            "AWS::DynamoDB::Table",
            PlannedAction::MaybeReplace,
            details,
        );
        assert_eq!(
            data_loss_changes(&apply_change_set(Difference::default(), &[table])).len(),
            1
        );
    }

    #[test]
    fn data_loss_is_limited_to_resources_with_data() {
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
