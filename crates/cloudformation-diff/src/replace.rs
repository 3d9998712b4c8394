//! Decides whether the changes of a resource force its replacement.

use serde_json::Value;

use crate::{
    change::{Cause, ChangeAction, Disposition, PropertyChange, ResourceChange},
    document::{PROPERTIES, ResourceDocument},
    replacement::{ReplacementRules, Rules},
};

/// An update in place of a resource, without changes.
pub(crate) fn update_in_place(
    id: &str,
    resource: &ResourceDocument,
    rules: &Rules,
) -> ResourceChange {
    ResourceChange {
        logical_id: id.to_owned(),
        kind: resource.kind.clone(),
        action: ChangeAction::Changed,
        causes: Vec::new(),
        fate: None,
        replacement_unknown: rules.of(&resource.kind).is_none(),
        refusals: Vec::new(),
        changes: Vec::new(),
    }
}

/// Sets the causes, and with them the action and the fate, by the changes of a resource.
pub(crate) fn decide_replacement(
    change: &mut ResourceChange,
    resource: &ResourceDocument,
    rules: &Rules,
) {
    if let Some(rules) = rules.of(&resource.kind) {
        for property in &change.changes {
            if let Some(cause) = cause(&rules, property)
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
    let (before, after) = (change.before.as_ref(), change.after.as_ref());
    let (rule, is_certain) = rules.rule_for(&change.path, before, after)?;
    Some(Cause {
        property: rule.property.clone(),
        conditional: !is_certain,
        follows: change.follows.clone(),
        source: rules.source.clone(),
    })
}

/// What a policy says about a resource. The default is to delete it.
pub(crate) fn fate(resource: &ResourceDocument, policy: &str) -> Disposition {
    match resource.attribute(policy).and_then(Value::as_str) {
        Some("Retain" | "RetainExceptOnCreate" | "Snapshot") => Disposition::Kept,
        _ => Disposition::Deleted,
    }
}
