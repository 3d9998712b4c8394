//! Compares two templates.

use indexmap::IndexSet;
use serde_json::{Map, Value};

use crate::{
    change::{
        Cause, ChangeAction, Difference, PropertyChange, ResourceChange, Section, SettingChange,
    },
    document::{PROPERTIES, ResourceDocument, TemplateDocument},
    follow,
    path::PropertyPath,
    registry::UnorderedLists,
    replace::{decide_replacement, fate, update_in_place},
    replacement::Rules,
    values::{differences, differences_in},
};

/// Types outside IAM that grant permissions.
const IAM_TYPES: [&str; 6] = [
    "AWS::KMS::Key",
    "AWS::Lambda::LayerVersionPermission",
    "AWS::Lambda::Permission",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
];

/// What changes when `new` is deployed over `old`.
///
/// Replacements are found by the rules of CloudFormation's registry.
pub fn compare(old: &TemplateDocument, new: &TemplateDocument) -> Difference {
    compare_with(old, new, &Rules::registry())
}

/// What changes when `new` is deployed over `old`, with replacement rules for types that are not in
/// CloudFormation's registry.
pub fn compare_with(old: &TemplateDocument, new: &TemplateDocument, rules: &Rules) -> Difference {
    let mut changes: Vec<_> = new
        .resources
        .iter()
        .filter_map(|(id, resource)| match old.resources.get(id) {
            None => Some(added(id, resource)),
            Some(before) => changed(id, before, resource, rules),
        })
        .collect();
    follow::replacements(old, new, rules, &mut changes);
    changes.sort_by_key(|change| new.resources.get_index_of(&change.logical_id));
    let old_resources = old.resources.iter();
    let missing = old_resources.filter(|(id, _)| !new.resources.contains_key(*id));
    changes.extend(missing.map(|(id, resource)| removed(id, resource)));

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

/// Whether resources of a type grant permissions: all types of IAM, and policies of other services.
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

/// The change of a resource that is in both templates. None if it is the same.
fn changed(
    id: &str,
    old: &ResourceDocument,
    new: &ResourceDocument,
    rules: &Rules,
) -> Option<ResourceChange> {
    let changes = attribute_changes(Some(old), Some(new));
    if changes.is_empty() && old.kind == new.kind {
        return None;
    }
    let mut change = update_in_place(id, new, rules);
    change.changes = changes;
    if old.kind != new.kind {
        change.causes.push(Cause {
            property: format!("Type (it was {})", old.kind),
            conditional: false,
            follows: None,
            source: "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-update-behaviors.html"
                .to_owned(),
        });
    }
    decide_replacement(&mut change, new, rules);
    Some(change)
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
    let lists = match new.or(old) {
        Some(resource) => UnorderedLists::of(&resource.kind),
        None => UnorderedLists::default(),
    };
    let (old, new) = (of(old), of(new));
    let names: IndexSet<_> = old.keys().chain(new.keys()).collect();
    let mut changes = Vec::new();
    for name in names {
        // Properties are compared one by one, also if all of them are new.
        let empty = Value::Object(Map::new());
        // A missing policy means CloudFormation's default. A resource that is added or removed has no
        // policy to compare with.
        let is_policy = both && ["DeletionPolicy", "UpdateReplacePolicy"].contains(&name.as_str());
        let default = Value::from("Delete");
        let missing = match name.as_str() {
            PROPERTIES => Some(&empty),
            _ if is_policy => Some(&default),
            _ => None,
        };
        let (before, after) = (old.get(name).or(missing), new.get(name).or(missing));
        let root = PropertyPath::default();
        changes.extend(
            differences_in(&lists, &root, before, after)
                .into_iter()
                .map(|change| PropertyChange {
                    attribute: name.clone(),
                    path: change.path,
                    before: change.before,
                    after: change.after,
                    follows: None,
                }),
        );
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
