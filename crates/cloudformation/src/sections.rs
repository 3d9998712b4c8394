//! What a template has besides resources and conditions.

use serde::Serialize;

use crate::intrinsics::StringValue;

/// A parameter of a template.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html>
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Parameter {
    /// Which values the parameter takes.
    #[serde(rename = "Type")]
    pub kind: ParameterType,
    /// The purpose, shown in the console.
    pub description: String,
    /// The value if a deployment gives none. Without a default, every deployment must give a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// A regular expression that the whole value must match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_pattern: Option<String>,
    /// CloudFormation's message about a value that does not match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constraint_description: Option<String>,
}

/// The type of a parameter's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum ParameterType {
    /// Text.
    String,
    /// An integer or a float. `Ref` returns it as text.
    Number,
    /// Texts, separated by commas. `Ref` returns them as a list.
    CommaDelimitedList,
}

/// An output of a stack.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/outputs-section-structure.html>
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    /// The meaning, shown in the console.
    pub description: String,
    /// The value, computed when the stack is deployed.
    pub value: StringValue,
}
