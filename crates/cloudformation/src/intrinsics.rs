//! CloudFormation's intrinsic functions.
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html>
//!
//! They serialize as enum variants: JSON has the long form (`{"Fn::Sub": ...}`) and YAML a tag, which
//! [`Document::to_yaml`](crate::Document::to_yaml) shortens (`!Sub ...`).

use std::{borrow::Cow, fmt};

use serde::{Serialize, Serializer};
use serde_yaml::Value;

use crate::{
    error::RenderError,
    names::{ConditionName, LogicalId, ParameterName},
};

/// Text that is known now, or that CloudFormation computes when it deploys.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum StringValue {
    /// `Ref`: a parameter's value, or a resource's name, ARN or id.
    Ref(RefTarget),
    /// `Fn::GetAtt`: an attribute of a resource.
    #[serde(rename = "Fn::GetAtt")]
    GetAtt(LogicalId, Cow<'static, str>),
    /// `Fn::Sub`: text with references in it. The macro [`sub!`](crate::sub!) makes it.
    #[serde(rename = "Fn::Sub")]
    Sub(Sub),
    /// Text that is known now.
    #[serde(untagged)]
    Literal(Cow<'static, str>),
}

/// The target of a `Ref`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum RefTarget {
    /// A resource.
    Resource(LogicalId),
    /// A parameter.
    Parameter(ParameterName),
    /// A pseudo parameter.
    Pseudo(Pseudo),
}

/// Pseudo parameters: values that every template can refer to.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/pseudo-parameter-reference.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Pseudo {
    /// The id of the stack's account, 12 digits.
    #[serde(rename = "AWS::AccountId")]
    AccountId,
    /// No value: removes the property or the element of a list that has it.
    #[serde(rename = "AWS::NoValue")]
    NoValue,
    /// The partition: `aws`, `aws-cn` or `aws-us-gov`.
    #[serde(rename = "AWS::Partition")]
    Partition,
    /// The stack's region, `eu-central-1`.
    #[serde(rename = "AWS::Region")]
    Region,
    /// The stack's name.
    #[serde(rename = "AWS::StackName")]
    StackName,
    /// The partition's domain, `amazonaws.com`.
    #[serde(rename = "AWS::URLSuffix")]
    UrlSuffix,
}

/// The argument of `Fn::Sub`: text with references. The macro [`sub!`](crate::sub!) makes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sub(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Part {
    Literal(Cow<'static, str>),
    /// The text between `${` and `}`: a name, or a resource and its attribute.
    Reference(String),
}

impl Sub {
    /// Appends text or a reference.
    #[must_use]
    pub fn then(mut self, text: impl Into<StringValue>) -> Self {
        match text.into() {
            StringValue::Literal(literal) => self.0.push(Part::Literal(literal)),
            StringValue::Ref(target) => self.0.push(Part::Reference(target.to_string())),
            StringValue::GetAtt(resource, attribute) => {
                self.0
                    .push(Part::Reference(format!("{resource}.{attribute}")));
            }
            StringValue::Sub(sub) => self.0.extend(sub.0),
        }
        self
    }

    /// A value as JSON text, with a reference wherever the value has one. For properties that hold JSON
    /// as text, such as a dashboard's body.
    pub fn json(value: impl Serialize) -> Result<Self, RenderError> {
        let mut sub = Self::default();
        // In YAML's values a reference is tagged, so that it differs from a map with the same key.
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
                self.0.push(Part::Reference(path.join(".")));
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
                // Sub writes a literal `${` as `${!`.
                Part::Literal(text) => formatter.write_str(&text.replace("${", "${!"))?,
                Part::Reference(name) => write!(formatter, "${{{name}}}")?,
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

/// The names of the resources and parameters that the text of a `Fn::Sub` refers to.
///
/// ```
/// let text = "arn:${AWS::Partition}:s3:::${Bucket}/${!literal}/${Key.Id}";
/// let names: Vec<_> = cloudformation::sub_references(text).collect();
/// assert_eq!(names, ["AWS::Partition", "Bucket", "Key"]);
/// ```
pub fn sub_references(text: &str) -> impl Iterator<Item = &str> {
    text.split("${").skip(1).filter_map(|rest| {
        let (reference, _) = rest.split_once('}')?;
        let (name, _) = reference.split_once('.').unwrap_or((reference, ""));
        (!reference.starts_with('!')).then_some(name)
    })
}

/// Joins text and references to a [`StringValue`] with `Fn::Sub`.
///
/// ```
/// use cloudformation::{Pseudo, sub};
///
/// let host = sub!["sqs.", Pseudo::Region, ".", Pseudo::UrlSuffix];
/// let json = serde_json::json!({ "Fn::Sub": "sqs.${AWS::Region}.${AWS::URLSuffix}" });
/// assert_eq!(serde_json::to_value(host)?, json);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[macro_export]
macro_rules! sub {
    ($($part:expr),+ $(,)?) => {
        $crate::StringValue::Sub($crate::Sub::default()$(.then($part))+)
    };
}

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

/// `Fn::If`: text that depends on a condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum If {
    /// The first text if the condition is true, otherwise the second.
    #[serde(rename = "Fn::If")]
    If(ConditionName, StringValue, StringValue),
}

/// The expression of a condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Condition {
    /// True if two texts are equal.
    #[serde(rename = "Fn::Equals")]
    Equals(StringValue, StringValue),
    /// True if the condition is false.
    #[serde(rename = "Fn::Not")]
    Not([Box<Condition>; 1]),
}

impl Condition {
    /// True if a parameter has a value other than the empty text.
    pub fn is_given(parameter: &ParameterName) -> Self {
        Self::Not([Box::new(Self::Equals(parameter.into(), "".into()))])
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::names::ConstructPath;

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
            json(StringValue::GetAtt(table(), "Arn".into())),
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
    fn references_in_sub_are_written_as_dollar_braces() {
        let text = sub![
            StringValue::GetAtt(table(), "Arn".into()),
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
    fn literal_in_sub_never_becomes_a_reference() {
        assert_eq!(
            json(sub!["costs ${5}", Pseudo::StackName]),
            json!({ "Fn::Sub": "costs ${!5}${AWS::StackName}" })
        );
    }

    #[test]
    fn nested_subs_are_merged() {
        let inner = sub!["a", Pseudo::Region];
        assert_eq!(
            json(sub![inner, "b"]),
            json!({ "Fn::Sub": "a${AWS::Region}b" })
        );
    }

    #[test]
    fn json_text_keeps_references() {
        let value = (
            "a \"b\"",
            [
                StringValue::from(Pseudo::Region),
                StringValue::GetAtt(table(), "Arn".into()),
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
    fn is_given_compares_with_the_empty_text() {
        assert_eq!(
            json(Condition::is_given(&ParameterName::new("AlarmTopicArn"))),
            json!({ "Fn::Not": [{ "Fn::Equals": [{ "Ref": "AlarmTopicArn" }, ""] }] })
        );
    }
}
