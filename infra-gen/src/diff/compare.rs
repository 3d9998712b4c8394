//! Comparing two templates.

use indexmap::IndexSet;
use serde_json::{Map, Value};

use super::{
    Cause, ChangeAction, Difference, Disposition, PropertyChange, PropertyPath, ResourceChange,
    Section, SettingChange, TemplateDocument,
    document::{PROPERTIES, ResourceDocument},
    follow,
    replacement::{ReplacementRules, When, rules_of},
    values::differences,
};

/// Types that say who may do what. All of IAM does too.
const IAM_TYPES: [&str; 6] = [
    "AWS::KMS::Key",
    "AWS::Lambda::LayerVersionPermission",
    "AWS::Lambda::Permission",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
];

/// What deploying `new` over `old` would change.
pub fn compare(old: &TemplateDocument, new: &TemplateDocument) -> Difference {
    let mut changes: Vec<_> = new
        .resources
        .iter()
        .filter_map(|(id, resource)| match old.resources.get(id) {
            None => Some(added(id, resource)),
            Some(before) => changed(id, before, resource),
        })
        .collect();
    follow::replaced(old, new, &mut changes);
    changes.sort_by_key(|change| new.resources.get_index_of(&change.logical_id));
    let gone = old.resources.iter();
    let gone = gone.filter(|(id, _)| !new.resources.contains_key(*id));
    changes.extend(gone.map(|(id, resource)| removed(id, resource)));

    let (iam, resources) = changes.into_iter().partition(|change| is_iam(&change.kind));
    let mut difference = Difference {
        iam,
        resources,
        settings: [
            settings(Section::Parameters, &old.parameters, &new.parameters),
            settings(Section::Conditions, &old.conditions, &new.conditions),
            settings(Section::Outputs, &old.outputs, &new.outputs),
            settings(Section::Template, &old.others, &new.others),
        ]
        .concat(),
    };
    difference.find_refusals(old, new);
    difference
}

/// Whether a type says who may do what.
pub fn is_iam(kind: &str) -> bool {
    kind.starts_with("AWS::IAM::") || IAM_TYPES.contains(&kind)
}

fn added(id: &str, resource: &ResourceDocument) -> ResourceChange {
    ResourceChange {
        logical_id: id.to_owned(),
        kind: resource.kind.clone(),
        action: ChangeAction::Added,
        causes: Vec::new(),
        fate: None,
        replacement_unknown: false,
        refusals: Vec::new(),
        changes: attribute_changes(None, Some(resource)),
    }
}

fn removed(id: &str, resource: &ResourceDocument) -> ResourceChange {
    ResourceChange {
        logical_id: id.to_owned(),
        kind: resource.kind.clone(),
        action: ChangeAction::Removed,
        causes: Vec::new(),
        fate: Some(fate(resource, "DeletionPolicy")),
        replacement_unknown: false,
        refusals: Vec::new(),
        changes: attribute_changes(Some(resource), None),
    }
}

/// What happens to a resource that is in both templates. None if nothing does.
fn changed(id: &str, old: &ResourceDocument, new: &ResourceDocument) -> Option<ResourceChange> {
    let changes = attribute_changes(Some(old), Some(new));
    if changes.is_empty() && old.kind == new.kind {
        return None;
    }
    let mut change = unchanged(id, new);
    change.changes = changes;
    if old.kind != new.kind {
        change.causes.push(Cause {
            property: format!("Type (it was {})", old.kind),
            conditional: false,
            follows: None,
            source: "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-update-behaviors.html",
        });
    }
    judge(&mut change, new);
    Some(change)
}

/// A change of a resource that nothing is known of yet.
pub(super) fn unchanged(id: &str, resource: &ResourceDocument) -> ResourceChange {
    ResourceChange {
        logical_id: id.to_owned(),
        kind: resource.kind.clone(),
        action: ChangeAction::Changed,
        causes: Vec::new(),
        fate: None,
        replacement_unknown: rules_of(&resource.kind).is_none(),
        refusals: Vec::new(),
        changes: Vec::new(),
    }
}

/// Finds out whether the changes of a resource force its replacement.
pub(super) fn judge(change: &mut ResourceChange, resource: &ResourceDocument) {
    if let Some(rules) = rules_of(&resource.kind) {
        for property in &change.changes {
            if let Some(cause) = cause(rules, property)
                && !change.causes.contains(&cause)
            {
                change.causes.push(cause);
            }
        }
    }
    if !change.causes.is_empty() {
        change.action = ChangeAction::Replaced;
        change.fate = Some(fate(resource, "UpdateReplacePolicy"));
    }
}

fn cause(rules: &ReplacementRules, change: &PropertyChange) -> Option<Cause> {
    if change.attribute != PROPERTIES {
        return None;
    }
    let rule = rules.rule_for(&change.path)?;
    Some(Cause {
        property: rule.property.to_owned(),
        conditional: rule.when == When::Conditional,
        follows: change.follows.clone(),
        source: rules.source,
    })
}

/// CloudFormation deletes what has no policy.
fn fate(resource: &ResourceDocument, policy: &str) -> Disposition {
    match resource.attribute(policy).and_then(Value::as_str) {
        Some("Retain" | "RetainExceptOnCreate" | "Snapshot") => Disposition::Kept,
        _ => Disposition::Deleted,
    }
}

fn attribute_changes(
    old: Option<&ResourceDocument>,
    new: Option<&ResourceDocument>,
) -> Vec<PropertyChange> {
    let of = |resource: Option<&ResourceDocument>| {
        resource
            .map(|resource| resource.attributes.clone())
            .unwrap_or_default()
    };
    let both = old.is_some() && new.is_some();
    let (old, new) = (of(old), of(new));
    let names: IndexSet<_> = old.keys().chain(new.keys()).collect();
    let mut changes = Vec::new();
    for name in names {
        // Properties are compared one by one even if all of them are new.
        let empty = Value::Object(Map::new());
        // Of a resource that stays, a policy that is not given is CloudFormation's default.
        let is_policy = both && ["DeletionPolicy", "UpdateReplacePolicy"].contains(&name.as_str());
        let default = Value::from("Delete");
        let missing = match name.as_str() {
            PROPERTIES => Some(&empty),
            _ if is_policy => Some(&default),
            _ => None,
        };
        let (before, after) = (old.get(name).or(missing), new.get(name).or(missing));
        let root = PropertyPath::default();
        changes.extend(differences(&root, before, after).into_iter().map(|change| {
            PropertyChange {
                attribute: name.clone(),
                path: change.path,
                before: change.before,
                after: change.after,
                follows: None,
            }
        }));
    }
    changes
}

fn settings(
    section: Section,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
) -> Vec<SettingChange> {
    let names: IndexSet<_> = new.keys().chain(old.keys()).collect();
    names
        .into_iter()
        .filter_map(|name| {
            let (before, after) = (old.get(name), new.get(name));
            let action = match (before, after) {
                (None, _) => ChangeAction::Added,
                (_, None) => ChangeAction::Removed,
                _ if differences(&PropertyPath::default(), before, after).is_empty() => {
                    return None;
                }
                _ => ChangeAction::Changed,
            };
            Some(SettingChange {
                section,
                name: name.clone(),
                action,
                before: before.cloned(),
                after: after.cloned(),
            })
        })
        .collect()
}
