//! Follows the replacement of a resource to the resources that refer to it.

use indexmap::{IndexMap, IndexSet};
use serde_json::Value;

use crate::{
    canonical::sub_references,
    change::{ChangeAction, PropertyChange, ResourceChange},
    document::{PROPERTIES, ResourceDocument, TemplateDocument},
    meaning::is_leaf,
    path::PropertyPath,
    replace::{decide_replacement, update_in_place},
    replacement::Rules,
    values::item_name,
};

/// Adds the changes of resources that refer to a replaced resource: the reference is unchanged, but its
/// value is another physical id. That can force their replacement too, and so on.
pub(crate) fn replacements(
    old: &TemplateDocument,
    new: &TemplateDocument,
    rules: &Rules,
    changes: &mut Vec<ResourceChange>,
) {
    let referring = referring(old, new);
    let mut done = IndexSet::new();
    while let Some(replaced) = changes
        .iter()
        .find(|change| {
            change.action == ChangeAction::Replaced && !done.contains(&change.logical_id)
        })
        .map(|change| change.logical_id.clone())
    {
        for (id, path) in referring.get(replaced.as_str()).into_iter().flatten() {
            let Some(resource) = new.resources.get(*id) else {
                continue;
            };
            let position = changes.iter().position(|change| change.logical_id == *id);
            let position = position.unwrap_or_else(|| {
                changes.push(update_in_place(id, resource, rules));
                changes.len() - 1
            });
            let change = &mut changes[position];
            let is_known =
                |it: &PropertyChange| it.attribute == PROPERTIES && path.starts_with(&it.path);
            if !change.changes.iter().any(is_known) {
                change.changes.push(PropertyChange {
                    attribute: PROPERTIES.to_owned(),
                    path: path.clone(),
                    before: None,
                    after: None,
                    follows: Some(replaced.clone()),
                });
                decide_replacement(change, resource, rules);
            }
        }
        done.insert(replaced);
    }
}

type Referring<'a> = IndexMap<&'a str, Vec<(&'a str, PropertyPath)>>;

/// By resource, the properties that refer to it, among the resources that are in both templates.
fn referring<'a>(old: &TemplateDocument, new: &'a TemplateDocument) -> Referring<'a> {
    let mut referring = Referring::new();
    for (id, resource) in &new.resources {
        if !old.resources.contains_key(id) {
            continue;
        }
        for (name, path) in references(resource) {
            if name != id && new.resources.contains_key(name) {
                referring.entry(name).or_default().push((id, path));
            }
        }
    }
    referring
}

fn references(resource: &ResourceDocument) -> Vec<(&str, PropertyPath)> {
    let mut found = Vec::new();
    if let Some(properties) = resource.attribute(PROPERTIES) {
        collect(&PropertyPath::default(), properties, &mut found);
    }
    found
}

fn collect<'a>(path: &PropertyPath, value: &'a Value, found: &mut Vec<(&'a str, PropertyPath)>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                match (name.as_str(), value) {
                    ("Ref", Value::String(name)) => found.push((name, path.clone())),
                    ("Fn::GetAtt", Value::Array(parts)) => {
                        let name = parts.first().and_then(Value::as_str);
                        found.extend(name.map(|name| (name, path.clone())));
                    }
                    ("Fn::Sub", Value::String(text)) => {
                        found.extend(sub_references(text).map(|name| (name, path.clone())));
                    }
                    (name, value) if name.starts_with("Fn::") => collect(path, value, found),
                    (name, value) => collect(&path.name(name), value, found),
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = match item_name(item) {
                    _ if is_leaf(item) => path.clone(),
                    Some(name) => path.item(name),
                    None => path.item(index),
                };
                collect(&path, item, found);
            }
        }
        _ => {}
    }
}
