//! Writing a template: as SAM or as plain CloudFormation, as YAML or as JSON.

use std::{fmt, str::FromStr};

use indexmap::IndexMap;
use serde::Serialize;
use serde_yaml::{
    Value,
    value::{Tag, TaggedValue},
};

use super::{
    Condition, ConditionName, LogicalId, Output, OutputName, Parameter, ParameterName, Resource,
    Template,
};
use crate::resources::{Properties, lambda, serverless};

/// How a template is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// For the SAM CLI, with its transform and its function resources.
    Sam,
    /// For CloudFormation alone. Where the functions' code is comes in as parameters.
    CloudFormation,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 2] = [Self::Sam, Self::CloudFormation];

    /// The format's name on the command line.
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

/// A name that no format has.
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

/// A template in one of the formats, ready to be written.
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

/// A template that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// As YAML.
    #[error("the template cannot be written as YAML: {0}")]
    Yaml(#[from] serde_yaml::Error),
    /// As JSON.
    #[error("the template cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl Template {
    /// The template in a format.
    pub fn render(&self, format: Format) -> Document {
        let template = self.clone();
        let mut document = Document {
            version: "2010-09-09",
            transform: None,
            description: template.description,
            parameters: template.parameters,
            conditions: template.conditions,
            resources: template.resources,
            outputs: template.outputs,
        };
        if format == Format::Sam {
            document.transform = Some("AWS::Serverless-2016-10-31");
            document.leave_code_to_sam();
        }
        document
    }

    /// The template in a format, as JSON with the long form of the intrinsic functions.
    pub fn to_json(&self, format: Format) -> Result<serde_json::Value, RenderError> {
        self.render(format).to_json()
    }
}

impl Document {
    /// SAM builds and uploads the functions itself: the parameters that say where their code is
    /// go, and the functions become resources of SAM's own type.
    fn leave_code_to_sam(&mut self) {
        for resource in self.resources.values_mut() {
            if let Properties::Function(function) = &resource.properties {
                let lambda::Code { s3_bucket, s3_key } = &function.code;
                self.parameters.shift_remove(s3_bucket);
                self.parameters.shift_remove(s3_key);
                resource.properties = serverless::Function::from(function.as_ref()).into();
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

/// Quotes what YAML 1.1 takes for dates and YAML 1.2 does not: `Version: 2012-10-17` is a text to
/// CloudFormation, but Python's tools read 1.1.
fn quote_dates(yaml: &str) -> String {
    let is_date = |value: &str| {
        value.len() == 10
            && value.bytes().enumerate().all(|(index, byte)| match index {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            })
    };
    let mut quoted = String::with_capacity(yaml.len());
    for line in yaml.lines() {
        match line.rsplit_once(": ") {
            Some((key, value)) if is_date(value) => {
                quoted.extend([key, ": '", value, "'"]);
            }
            _ => quoted.push_str(line),
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
    use crate::{environments::Environment, stack};

    #[test]
    fn formats_are_found_by_their_names() {
        assert_eq!("sam".parse(), Ok(Format::Sam));
        assert_eq!("cloudformation".parse(), Ok(Format::CloudFormation));
        let error = "terraform".parse::<Format>().expect_err("no format");
        assert!(error.to_string().contains("'terraform'"), "{error}");
    }

    #[test]
    fn dates_are_quoted_and_nothing_else_is_changed() {
        let template = stack::synthesize(&Environment::prod()).expect("a template");
        let document = template.render(Format::Sam);
        let written = document.to_yaml().expect("YAML");
        assert!(written.starts_with("AWSTemplateFormatVersion: '2010-09-09'\n"));
        assert!(written.contains("Version: '2012-10-17'\n"));
        let read: Value = serde_yaml::from_str(&written).expect("YAML");
        let meant = short_form(serde_yaml::to_value(&document).expect("a value"));
        assert_eq!(read, meant);
    }

    #[test]
    fn yaml_has_the_short_form_of_every_intrinsic() {
        let template = stack::synthesize(&Environment::prod()).expect("a template");
        let written = template.render(Format::Sam).to_yaml().expect("YAML");
        for intrinsic in [
            "TableName: !Sub jobs${NameSuffix}\n",
            "Role: !GetAtt JobsRole.Arn\n",
            "JOBS_TABLE: !Ref JobsTable\n",
            "- !If\n        - HasAlarmTopic\n        - !Ref AlarmTopicArn\n",
        ] {
            assert!(written.contains(intrinsic), "{intrinsic}");
        }
        assert!(!written.contains("Fn::"));
    }
}
