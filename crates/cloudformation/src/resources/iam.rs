//! IAM roles and policies.

use std::borrow::Cow;

use indexmap::IndexMap;
use serde::{Serialize, Serializer};

use super::TagList;
use crate::{Handle, ResourceType, StringValue};

/// A role.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-role.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Role {
    /// The trust policy: which services or accounts can assume the role.
    pub assume_role_policy_document: PolicyDocument,
    /// The inline policies: which actions the role allows.
    pub policies: Vec<Policy>,
    /// The role's tags.
    pub tags: TagList,
}

impl ResourceType for Role {
    const TYPE_NAME: &'static str = "AWS::IAM::Role";
}

impl Handle<Role> {
    /// The role's ARN.
    pub fn arn(&self) -> StringValue {
        self.attribute("Arn")
    }
}

/// An inline policy of a role.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Policy {
    /// The policy's name, unique in its role.
    pub policy_name: Cow<'static, str>,
    /// The statements of the policy.
    pub policy_document: PolicyDocument,
}

/// A policy document: a list of statements, in version 2012-10-17 of the policy language.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PolicyDocument {
    version: &'static str,
    statement: Vec<Statement>,
}

impl PolicyDocument {
    /// A policy with these statements.
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
    /// The statement's id, letters and digits, unique in its policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// Whether the statement allows or denies.
    pub effect: Effect,
    /// Who is allowed or denied. Only in trust policies and policies of resources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<Principal>,
    /// The actions, `sqs:SendMessage`.
    pub action: Vec<Cow<'static, str>>,
    /// The resources that the actions apply to. None in trust policies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<Target>,
    /// Conditions: values of context keys by operator, then by key.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub condition: IndexMap<Cow<'static, str>, IndexMap<Cow<'static, str>, StringValue>>,
}

/// Whether a statement allows or denies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Effect {
    /// The actions are allowed.
    Allow,
    /// The actions are denied, whatever other statements allow.
    Deny,
}

/// Who a statement allows or denies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// An AWS service, `lambda.amazonaws.com`.
    Service(Cow<'static, str>),
    /// Every principal. For statements that deny.
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

/// The resources that a statement applies to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Resources by ARN.
    Arns(Vec<StringValue>),
    /// Every resource. Some actions have no narrower resource.
    Everything {
        /// Why the statement cannot name the resources. Not part of the template.
        reason: Cow<'static, str>,
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
    /// A statement that allows actions on resources.
    pub fn allow(
        sid: impl Into<String>,
        action: impl IntoIterator<Item = impl Into<Cow<'static, str>>>,
        resource: Target,
    ) -> Self {
        Self {
            sid: Some(sid.into()),
            effect: Effect::Allow,
            principal: None,
            action: action.into_iter().map(Into::into).collect(),
            resource: Some(resource),
            condition: IndexMap::new(),
        }
    }

    /// A statement of a trust policy, which lets a service assume the role.
    pub fn trust(service: impl Into<Cow<'static, str>>) -> Self {
        Self {
            sid: None,
            effect: Effect::Allow,
            principal: Some(Principal::Service(service.into())),
            action: vec!["sts:AssumeRole".into()],
            resource: None,
            condition: IndexMap::new(),
        }
    }
}
