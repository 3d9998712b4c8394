//! CloudFormation's intrinsic functions, as far as the stack uses them.
//!
//! They are serialized as enum variants: JSON then has the long form (`{"Fn::Sub": ...}`) and YAML
//! a tag, which [`super::Document::to_yaml`] shortens (`!Sub ...`).

use std::{borrow::Cow, fmt};

use serde::{Serialize, Serializer};
use serde_yaml::Value;

use super::{ConditionName, LogicalId, ParameterName, RenderError};

/// A text that is known now, or that CloudFormation fills in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum StringValue {
    /// A parameter's value, or what a resource type returns for its name.
    Ref(RefTarget),
    /// An attribute of a resource.
    #[serde(rename = "Fn::GetAtt")]
    GetAtt(LogicalId, &'static str),
    /// A text with gaps.
    #[serde(rename = "Fn::Sub")]
    Sub(Sub),
    /// Known now.
    #[serde(untagged)]
    Literal(Cow<'static, str>),
}

/// What `Ref` can refer to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum RefTarget {
    /// A resource.
    Resource(LogicalId),
    /// A parameter.
    Parameter(ParameterName),
    /// A value that CloudFormation knows.
    Pseudo(Pseudo),
}

/// Values that CloudFormation knows by itself.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/pseudo-parameter-reference.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Pseudo {
    /// The account that the stack is in.
    #[serde(rename = "AWS::AccountId")]
    AccountId,
    /// Stands for a property, or a list's element, that is not there.
    #[serde(rename = "AWS::NoValue")]
    NoValue,
    /// `aws`, or another partition's name.
    #[serde(rename = "AWS::Partition")]
    Partition,
    /// The region that the stack is in.
    #[serde(rename = "AWS::Region")]
    Region,
    /// The stack's name.
    #[serde(rename = "AWS::StackName")]
    StackName,
    /// `amazonaws.com`, or another partition's domain.
    #[serde(rename = "AWS::URLSuffix")]
    UrlSuffix,
}

/// A text with gaps that CloudFormation fills in. Made by the macro `sub!`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sub(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Part {
    Literal(Cow<'static, str>),
    /// What stands between `${` and `}`.
    Gap(String),
}

impl Sub {
    /// The text, then this.
    #[must_use]
    pub fn then(mut self, text: impl Into<StringValue>) -> Self {
        match text.into() {
            StringValue::Literal(literal) => self.0.push(Part::Literal(literal)),
            StringValue::Ref(referent) => self.0.push(Part::Gap(referent.to_string())),
            StringValue::GetAtt(resource, attribute) => {
                self.0.push(Part::Gap(format!("{resource}.{attribute}")));
            }
            StringValue::Sub(sub) => self.0.extend(sub.0),
        }
        self
    }

    /// A value as JSON, with a gap wherever it holds a text that is not known yet.
    pub fn json(value: impl Serialize) -> Result<Self, RenderError> {
        let mut sub = Self::default();
        // YAML's values tell a reference from a map that looks like one.
        sub.append_json(&serde_yaml::to_value(value)?)?;
        Ok(sub)
    }

    fn append_json(&mut self, value: &Value) -> Result<(), RenderError> {
        match value {
            Value::Sequence(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.append_literal(if index == 0 { "[" } else { "," });
                    self.append_json(item)?;
                }
                self.append_literal(if items.is_empty() { "[]" } else { "]" });
            }
            Value::Mapping(entries) => {
                for (index, (key, value)) in entries.iter().enumerate() {
                    self.append_literal(if index == 0 { "{" } else { "," });
                    self.append_json(key)?;
                    self.append_literal(":");
                    self.append_json(value)?;
                }
                self.append_literal(if entries.is_empty() { "{}" } else { "}" });
            }
            Value::Tagged(reference) => {
                let path = match &reference.value {
                    Value::Sequence(path) => path.iter().filter_map(Value::as_str).collect(),
                    target => Vec::from_iter(target.as_str()),
                };
                self.append_literal("\"");
                self.0.push(Part::Gap(path.join(".")));
                self.append_literal("\"");
            }
            scalar => {
                self.0
                    .push(Part::Literal(serde_json::to_string(scalar)?.into()));
            }
        }
        Ok(())
    }

    fn append_literal(&mut self, literal: &'static str) {
        self.0.push(Part::Literal(literal.into()));
    }
}

impl fmt::Display for Sub {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.0 {
            match part {
                // `${!` is how Sub writes a `${` that is meant as it stands.
                Part::Literal(text) => formatter.write_str(&text.replace("${", "${!"))?,
                Part::Gap(name) => write!(formatter, "${{{name}}}")?,
            }
        }
        Ok(())
    }
}

impl Serialize for Sub {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The resources and parameters in the gaps of a `Sub`, as it is written.
#[cfg(feature = "cli")]
pub(crate) fn sub_references(text: &str) -> impl Iterator<Item = &str> {
    text.split("${").skip(1).filter_map(|rest| {
        let (gap, _) = rest.split_once('}')?;
        let (name, _) = gap.split_once('.').unwrap_or((gap, ""));
        (!gap.starts_with('!')).then_some(name)
    })
}

/// Puts texts in a row: `sub!["https://", api.id(), ".execute-api.", Pseudo::Region]`.
macro_rules! sub {
    ($($part:expr),+ $(,)?) => {
        $crate::template::StringValue::Sub(
            $crate::template::Sub::default()$(.then($part))+
        )
    };
}
pub(crate) use sub;

impl fmt::Display for RefTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resource(id) => id.fmt(formatter),
            Self::Parameter(name) => name.fmt(formatter),
            Self::Pseudo(pseudo) => pseudo.serialize(formatter),
        }
    }
}

impl From<&'static str> for StringValue {
    fn from(literal: &'static str) -> Self {
        Self::Literal(Cow::Borrowed(literal))
    }
}

impl From<String> for StringValue {
    fn from(literal: String) -> Self {
        Self::Literal(Cow::Owned(literal))
    }
}

impl From<Pseudo> for StringValue {
    fn from(pseudo: Pseudo) -> Self {
        Self::Ref(RefTarget::Pseudo(pseudo))
    }
}

impl From<&ParameterName> for StringValue {
    fn from(parameter: &ParameterName) -> Self {
        Self::Ref(RefTarget::Parameter(parameter.clone()))
    }
}

impl From<&StringValue> for StringValue {
    fn from(text: &StringValue) -> Self {
        text.clone()
    }
}

/// A text that depends on a condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum If {
    /// The first text if the condition holds, else the second.
    #[serde(rename = "Fn::If")]
    If(ConditionName, StringValue, StringValue),
}

/// What a condition asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Condition {
    /// Whether two texts are the same.
    #[serde(rename = "Fn::Equals")]
    Equals(StringValue, StringValue),
    /// Whether the condition does not hold.
    #[serde(rename = "Fn::Not")]
    Not([Box<Condition>; 1]),
}

impl Condition {
    /// Whether a parameter has been given a value.
    pub fn is_given(parameter: &ParameterName) -> Self {
        Self::Not([Box::new(Self::Equals(parameter.into(), "".into()))])
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::template::ConstructPath;

    fn table() -> LogicalId {
        ConstructPath::root("jobs").child("Table").logical_id()
    }

    fn json(value: impl Serialize) -> serde_json::Value {
        serde_json::to_value(value).expect("serializes")
    }

    #[test]
    fn intrinsics_have_the_long_form_in_json() {
        assert_eq!(json(StringValue::from("plain")), json!("plain"));
        assert_eq!(
            json(StringValue::from(Pseudo::Region)),
            json!({ "Ref": "AWS::Region" })
        );
        assert_eq!(
            json(StringValue::GetAtt(table(), "Arn")),
            json!({ "Fn::GetAtt": ["JobsTable", "Arn"] })
        );
        assert_eq!(
            json(If::If(
                ConditionName::new("Always"),
                "a".into(),
                Pseudo::NoValue.into()
            )),
            json!({ "Fn::If": ["Always", "a", { "Ref": "AWS::NoValue" }] })
        );
    }

    #[test]
    fn gaps_of_sub_are_references() {
        let text = sub![
            StringValue::GetAtt(table(), "Arn"),
            "/index/by_",
            Pseudo::AccountId,
            StringValue::Ref(RefTarget::Resource(table())),
        ];
        assert_eq!(
            json(text),
            json!({ "Fn::Sub": "${JobsTable.Arn}/index/by_${AWS::AccountId}${JobsTable}" })
        );
    }

    #[test]
    fn a_literal_in_sub_never_becomes_a_reference() {
        assert_eq!(
            json(sub!["costs ${5}", Pseudo::StackName]),
            json!({ "Fn::Sub": "costs ${!5}${AWS::StackName}" })
        );
    }

    #[test]
    fn a_sub_in_a_sub_is_one_sub() {
        let inner = sub!["a", Pseudo::Region];
        assert_eq!(
            json(sub![inner, "b"]),
            json!({ "Fn::Sub": "a${AWS::Region}b" })
        );
    }

    #[test]
    fn json_has_gaps_where_references_are() {
        let value = (
            "a \"b\"",
            [
                StringValue::from(Pseudo::Region),
                StringValue::GetAtt(table(), "Arn"),
            ],
            5,
        );
        let Ok(sub) = Sub::json(value) else {
            panic!("serializes");
        };
        assert_eq!(
            sub.to_string(),
            r#"["a \"b\"",["${AWS::Region}","${JobsTable.Arn}"],5]"#
        );
    }

    #[test]
    fn a_condition_asks_whether_a_parameter_is_given() {
        assert_eq!(
            json(Condition::is_given(&ParameterName::new("AlarmTopicArn"))),
            json!({ "Fn::Not": [{ "Fn::Equals": [{ "Ref": "AlarmTopicArn" }, ""] }] })
        );
    }
}
