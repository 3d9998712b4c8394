//! The result of a comparison.

use serde::Serialize;
use serde_json::Value;

use crate::path::PropertyPath;

/// What changes in a stack when one template is deployed over another. Its `Display` is the text form.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Difference {
    /// Changes of roles, policies and other permissions ([`is_iam`](crate::is_iam)).
    pub iam: Vec<ResourceChange>,
    /// Changes of all other resources.
    pub resources: Vec<ResourceChange>,
    /// Changes of parameters, conditions, outputs and the template itself.
    pub settings: Vec<SettingChange>,
}

impl Difference {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.iam.is_empty() && self.resources.is_empty() && self.settings.is_empty()
    }

    /// The number of changes of each kind.
    pub fn summary(&self) -> Summary {
        let count = |action| {
            let resources = self.iam.iter().chain(&self.resources);
            resources.filter(|change| change.action == action).count()
        };
        Summary {
            iam: self.iam.len(),
            added: count(ChangeAction::Added),
            changed: count(ChangeAction::Changed),
            replaced: count(ChangeAction::Replaced),
            removed: count(ChangeAction::Removed),
            settings: self.settings.len(),
            refused: self.refused().count(),
        }
    }
}

/// The number of changes of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Changed permissions. They also count by their action.
    pub iam: usize,
    /// Added resources.
    pub added: usize,
    /// Resources that are updated in place.
    pub changed: usize,
    /// Replaced resources.
    pub replaced: usize,
    /// Removed resources.
    pub removed: usize,
    /// Changes outside resources.
    pub settings: usize,
    /// Resources whose change a service refuses. They also count by their action.
    pub refused: usize,
}

/// What happens to a resource or a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeAction {
    /// It is created.
    Added,
    /// It is updated in place.
    Changed,
    /// A new resource replaces it, with another physical id and without its data.
    Replaced,
    /// It is removed from the stack.
    Removed,
}

/// A change of a resource.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ResourceChange {
    /// The resource's name in the template.
    pub logical_id: String,
    /// The type, `AWS::SQS::Queue`. That of the new template if the templates differ.
    #[serde(rename = "type")]
    pub kind: String,
    /// What happens to the resource.
    pub action: ChangeAction,
    /// The properties that force its replacement.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// What happens to the old resource, if it is replaced or removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fate: Option<Disposition>,
    /// Whether there are no replacement rules for the type, so that an update may be a replacement.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub replacement_unknown: bool,
    /// Why a service will refuse the change. Empty if none is known to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<Refusal>,
    /// The properties and attributes that differ. All of them if the resource is added or removed.
    pub changes: Vec<PropertyChange>,
}

/// A property that forces the replacement of a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// The property that cannot be updated in place.
    pub property: String,
    /// Whether the replacement depends on more than the templates.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub conditional: bool,
    /// The replaced resource that the property refers to, if that replacement is what changes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follows: Option<String>,
    /// The URL of AWS's documentation.
    pub source: String,
}

/// What happens to a resource that is removed from the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Disposition {
    /// It is deleted with its data.
    Deleted,
    /// It stays in the account, outside the stack.
    Kept,
}

/// A difference in a property or an attribute of a resource.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PropertyChange {
    /// `Properties`, or the resource attribute: `DeletionPolicy`.
    pub attribute: String,
    /// Where in the attribute the difference is.
    pub path: PropertyPath,
    /// The old value. None if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The new value. None if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// The replaced resource that the property refers to. The reference is unchanged, but its value is
    /// another physical id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follows: Option<String>,
}

/// A section of a template other than resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Section {
    /// The parameters.
    Parameters,
    /// The conditions.
    Conditions,
    /// The outputs.
    Outputs,
    /// The description, the transform, and all other sections.
    Template,
}

/// A change outside resources.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SettingChange {
    /// The section.
    pub section: Section,
    /// The name in the section.
    pub name: String,
    /// What happens to the setting; never a replacement.
    pub action: ChangeAction,
    /// The old value. None if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The new value. None if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// Why a service refuses a change, and what to do instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The change that is refused, and why.
    pub reason: String,
    /// What to do instead.
    pub help: String,
    /// The URL of AWS's documentation.
    pub source: &'static str,
}
