//! Writes a template as SAM or as plain CloudFormation, as YAML or as JSON.

use std::{fmt, str::FromStr};

use indexmap::IndexMap;
use serde::Serialize;
use serde_yaml::{
    Value,
    value::{Tag, TaggedValue},
};

use crate::{
    error::RenderError,
    intrinsics::Condition,
    names::{ConditionName, LogicalId, OutputName, ParameterName},
    resource::Resource,
    sections::{Output, Parameter},
    template::Template,
};

/// The tool that a template is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// The SAM CLI. The template has SAM's transform, and SAM's types where resources have one.
    Sam,
    /// CloudFormation without a transform.
    CloudFormation,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 2] = [Self::Sam, Self::CloudFormation];

    /// The format's name in a command line: `sam` or `cloudformation`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sam => "sam",
            Self::CloudFormation => "cloudformation",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A name that is not a format's.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("there is no format '{0}'; use sam or cloudformation")]
pub struct UnknownFormat(String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Self::ALL
            .into_iter()
            .find(|format| format.name() == name)
            .ok_or_else(|| UnknownFormat(name.to_owned()))
    }
}

/// A template in a format, ready to be written.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Document {
    #[serde(rename = "AWSTemplateFormatVersion")]
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    transform: Option<&'static str>,
    description: String,
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    parameters: IndexMap<ParameterName, Parameter>,
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    conditions: IndexMap<ConditionName, Condition>,
    resources: IndexMap<LogicalId, Resource>,
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    outputs: IndexMap<OutputName, Output>,
}

impl Template {
    /// The template in a format.
    pub fn render(&self, format: Format) -> Document {
        let mut document = Document {
            version: "2010-09-09",
            transform: None,
            description: self.description().to_owned(),
            parameters: self.parameters().clone(),
            conditions: self.conditions().clone(),
            resources: self.resources().clone(),
            outputs: self.outputs().clone(),
        };
        if format == Format::Sam {
            document.transform = Some("AWS::Serverless-2016-10-31");
            document.use_sam_types();
        }
        document
    }

    /// The template in a format, as JSON with the long form of the intrinsic functions.
    pub fn to_json(&self, format: Format) -> Result<serde_json::Value, RenderError> {
        self.render(format).to_json()
    }
}

impl Document {
    /// Writes the resources that SAM has a type for as SAM's, without the parameters that only the
    /// CloudFormation form needs.
    fn use_sam_types(&mut self) {
        for resource in self.resources.values_mut() {
            if let Some(sam) = resource.properties.sam() {
                for parameter in &sam.unused_parameters {
                    self.parameters.shift_remove(parameter);
                }
                resource.properties = sam.properties;
            }
        }
    }

    /// The document as JSON, with the long form of the intrinsic functions.
    pub fn to_json(&self) -> Result<serde_json::Value, RenderError> {
        Ok(serde_json::to_value(self)?)
    }

    /// The document as YAML, with the short form of the intrinsic functions.
    pub fn to_yaml(&self) -> Result<String, RenderError> {
        let long = serde_yaml::to_value(self)?;
        Ok(quote_dates(&serde_yaml::to_string(&short_form(long))?))
    }
}

/// Quotes dates. In YAML 1.2, and to CloudFormation, `Version: 2012-10-17` is text. Python's tools read
/// YAML 1.1, where it is a date.
fn quote_dates(yaml: &str) -> String {
    let is_date = |value: &str| {
        value.len() == 10
            && value.bytes().enumerate().all(|(index, byte)| match index {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            })
    };
    let mut quoted = String::with_capacity(yaml.len());
    // The indentation of a line that begins a text of several lines, whose content is left as it is.
    let mut block = None;
    for line in yaml.lines() {
        let indentation = line.len() - line.trim_start().len();
        if block.is_some_and(|start| line.trim().is_empty() || indentation > start) {
            quoted.extend([line, "\n"]);
            continue;
        }
        let is_start = [" |", " |-", " |+", " >", " >-", " >+"]
            .iter()
            .any(|end| line.ends_with(end));
        block = is_start.then_some(indentation);
        let (key, value) = line.rsplit_once(' ').unwrap_or(("", line));
        if is_date(value) && (key.ends_with(':') || key.ends_with('-')) {
            quoted.extend([key, " '", value, "'"]);
        } else {
            quoted.push_str(line);
        }
        quoted.push('\n');
    }
    quoted
}

/// The same document with `!GetAtt a.b` for `!Fn::GetAtt [a, b]`, and so on.
fn short_form(value: Value) -> Value {
    match value {
        Value::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let tag = tag.trim_start_matches('!');
            let name = tag.strip_prefix("Fn::").unwrap_or(tag);
            let value = match (name, short_form(tagged.value)) {
                ("GetAtt", Value::Sequence(path)) => Value::String(
                    path.iter()
                        .filter_map(Value::as_str)
                        .collect::<Vec<_>>()
                        .join("."),
                ),
                (_, value) => value,
            };
            Value::Tagged(Box::new(TaggedValue {
                tag: Tag::new(name),
                value,
            }))
        }
        Value::Sequence(items) => Value::Sequence(items.into_iter().map(short_form).collect()),
        Value::Mapping(entries) => Value::Mapping(
            entries
                .into_iter()
                .map(|(key, value)| (key, short_form(value)))
                .collect(),
        ),
        scalar => scalar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Attributes, ConstructPath, If, Pseudo, StringValue, Untyped,
        resources::Tags,
        resources::iam::{PolicyDocument, Role, Statement},
        sub,
    };

    #[test]
    fn format_is_parsed_from_its_name() {
        assert_eq!("sam".parse(), Ok(Format::Sam));
        assert_eq!("cloudformation".parse(), Ok(Format::CloudFormation));
        let error = "terraform".parse::<Format>().expect_err("no format");
        assert!(error.to_string().contains("'terraform'"), "{error}");
    }

    fn role() -> Template {
        let mut template = Template::new("A role");
        let statement = Statement::trust("lambda.amazonaws.com");
        let role = Role {
            assume_role_policy_document: PolicyDocument::new(vec![statement]),
            policies: Vec::new(),
            tags: Tags::new([("Since", "2020-02-02")]).list(),
        };
        let path = ConstructPath::root("role");
        let role = template
            .add(&path, role, Attributes::default())
            .expect("a new name");
        let condition = ConditionName::new("always");
        let choice = If::If(condition, Pseudo::Region.into(), Pseudo::NoValue.into());
        let properties = serde_json::json!({
            "Arn": role.arn(),
            "Name": sub!["a-", StringValue::from(Pseudo::Region)],
            "Choice": [choice],
            "Imported": { "Fn::ImportValue": "a" },
            "Dates": ["2020-02-02", "a: 2020-02-02\n\nDate: 2020-02-02\n"],
        });
        let untyped = Untyped::new("AWS::SNS::Topic", properties).expect("properties");
        let path = ConstructPath::root("topic");
        template
            .add_untyped(&path, untyped, Attributes::default())
            .expect("a new name");
        template
    }

    #[test]
    fn dates_are_quoted_and_nothing_else_is_changed() {
        let document = role().render(Format::Sam);
        let written = document.to_yaml().expect("YAML");
        assert!(written.starts_with("AWSTemplateFormatVersion: '2010-09-09'\n"));
        assert!(written.contains("Version: '2012-10-17'\n"));
        assert!(written.contains("Value: '2020-02-02'\n"));
        let read: Value = serde_yaml::from_str(&written).expect("YAML");
        let expected = short_form(serde_yaml::to_value(&document).expect("a value"));
        assert_eq!(read, expected);
    }

    #[test]
    fn yaml_has_the_short_form_of_every_intrinsic() {
        let written = role()
            .render(Format::CloudFormation)
            .to_yaml()
            .expect("YAML");
        for intrinsic in [
            "Arn: !GetAtt Role.Arn\n",
            "Name: !Sub a-${AWS::Region}\n",
            "- !If\n        - Always\n        - !Ref AWS::Region\n        - !Ref AWS::NoValue\n",
            "Imported: !ImportValue",
        ] {
            assert!(written.contains(intrinsic), "{intrinsic}: {written}");
        }
        assert!(!written.contains("Fn::"));
    }
}
