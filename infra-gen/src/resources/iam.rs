//! IAM roles and policies.

use indexmap::IndexMap;
use serde::{Serialize, Serializer};

use super::TagList;
use crate::template::{Handle, StringValue};

/// A role.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-role.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Role {
    /// Who may take the role.
    pub assume_role_policy_document: PolicyDocument,
    /// What the role may do.
    pub policies: Vec<Policy>,
    /// The role's tags.
    pub tags: TagList,
}

impl Handle<Role> {
    /// The role's ARN.
    pub fn arn(&self) -> StringValue {
        self.attribute("Arn")
    }
}

/// A policy within a role.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Policy {
    /// The policy's name.
    pub policy_name: &'static str,
    /// The policy.
    pub policy_document: PolicyDocument,
}

/// A policy.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PolicyDocument {
    version: &'static str,
    statement: Vec<Statement>,
}

impl PolicyDocument {
    /// A policy of these statements.
    pub fn new(statement: Vec<Statement>) -> Self {
        Self {
            version: "2012-10-17",
            statement,
        }
    }

    /// The policy's statements.
    pub fn statements(&self) -> &[Statement] {
        &self.statement
    }
}

/// A statement of a policy.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Statement {
    /// What the statement is about, in letters and digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// Whether it allows or denies.
    pub effect: Effect,
    /// Who; in policies of a resource only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<Principal>,
    /// What.
    pub action: Vec<&'static str>,
    /// With what; everywhere but in trust policies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<Target>,
    /// When.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub condition: IndexMap<&'static str, IndexMap<&'static str, &'static str>>,
}

/// Whether a statement allows or denies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Effect {
    /// It allows.
    Allow,
    /// It denies.
    Deny,
}

/// Who a statement is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal {
    /// An AWS service.
    Service(&'static str),
    /// Everyone. For statements that deny.
    Everyone,
}

impl Serialize for Principal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Service(service) => serializer.collect_map([("Service", service)]),
            Self::Everyone => serializer.serialize_str("*"),
        }
    }
}

/// What a statement is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// These.
    Arns(Vec<StringValue>),
    /// Everything. For some actions AWS offers nothing narrower.
    Everything {
        /// Why nothing narrower will do.
        reason: &'static str,
    },
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Arns(arns) => arns.serialize(serializer),
            Self::Everything { .. } => serializer.serialize_str("*"),
        }
    }
}

impl Statement {
    /// Allows these actions.
    pub fn allow(
        sid: impl Into<String>,
        action: impl IntoIterator<Item = &'static str>,
        resource: Target,
    ) -> Self {
        Self {
            sid: Some(sid.into()),
            effect: Effect::Allow,
            principal: None,
            action: action.into_iter().collect(),
            resource: Some(resource),
            condition: IndexMap::new(),
        }
    }

    /// Lets a service take the role that this stands in.
    pub fn trust(service: &'static str) -> Self {
        Self {
            sid: None,
            effect: Effect::Allow,
            principal: Some(Principal::Service(service)),
            action: vec!["sts:AssumeRole"],
            resource: None,
            condition: IndexMap::new(),
        }
    }
}
