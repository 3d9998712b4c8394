//! What a comparison finds.

use serde::Serialize;
use serde_json::Value;

use super::{PropertyPath, Refusal};

/// What deploying one template over another would change.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Difference {
    /// Who may do what: roles, policies, permissions.
    pub iam: Vec<ResourceChange>,
    /// Every other resource.
    pub resources: Vec<ResourceChange>,
    /// What is no resource.
    pub settings: Vec<SettingChange>,
}

impl Difference {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.iam.is_empty() && self.resources.is_empty() && self.settings.is_empty()
    }

    /// How many resources have which mark.
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

/// How many resources have which mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Those that say who may do what; they have a mark too.
    pub iam: usize,
    /// New ones.
    pub added: usize,
    /// Those that are changed as they stand.
    pub changed: usize,
    /// Those that others take the place of.
    pub replaced: usize,
    /// Those that go.
    pub removed: usize,
    /// Changes of what is no resource.
    pub settings: usize,
    /// Resources whose change a service refuses; they have a mark too.
    pub refused: usize,
}

/// What happens to something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeAction {
    /// It is new.
    Added,
    /// It is changed as it stands.
    Changed,
    /// Another takes its place, with another id and without what it holds.
    Replaced,
    /// It goes.
    Removed,
}

/// What happens to a resource.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ResourceChange {
    /// Its name in the template.
    pub logical_id: String,
    /// Its type, `AWS::SQS::Queue`. That of the new template, if they differ.
    #[serde(rename = "type")]
    pub kind: String,
    /// What happens to it.
    pub action: ChangeAction,
    /// What forces its replacement.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// What becomes of the old one, if it is replaced or removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fate: Option<Disposition>,
    /// Whether its type is one whose replacements are not known here, so that a change may be one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub replacement_unknown: bool,
    /// Why the change will be refused, if it will.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<Refusal>,
    /// Its properties and attributes, as far as they differ. All of them if it is added or removed.
    pub changes: Vec<PropertyChange>,
}

/// Why a resource is replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// The property that cannot be changed.
    pub property: String,
    /// Whether CloudFormation decides by more than a template shows.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub conditional: bool,
    /// The resource that the property refers to, if it is that one's replacement that changes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follows: Option<String>,
    /// Where AWS says so.
    pub source: &'static str,
}

/// What becomes of a resource that leaves the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Disposition {
    /// It is deleted, with what it holds.
    Deleted,
    /// It stays in the account.
    Kept,
}

/// A difference in a property or an attribute of a resource.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PropertyChange {
    /// `Properties`, or the resource attribute: `DeletionPolicy`.
    pub attribute: String,
    /// Where in it.
    pub path: PropertyPath,
    /// What was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What is there now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// The replaced resource that it refers to: it is written as before, but means another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follows: Option<String>,
}

/// A part of a template that has no resources in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Section {
    /// What is asked of who deploys.
    Parameters,
    /// What resources and values depend on.
    Conditions,
    /// What the stack tells.
    Outputs,
    /// The description, the transform, and sections that are not used here.
    Template,
}

/// A difference in what is no resource.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SettingChange {
    /// Where it is.
    pub section: Section,
    /// Its name there.
    pub name: String,
    /// What happens to it; never a replacement.
    pub action: ChangeAction,
    /// What was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What is there now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}
