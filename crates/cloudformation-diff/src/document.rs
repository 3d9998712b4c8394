//! Reads templates in YAML and JSON.

use indexmap::IndexMap;
use serde_json::{Map, Value};
use serde_yaml::Value as Yaml;

use crate::canonical::entries;

/// A template as CloudFormation receives it, with every value in canonical form: values that mean the same
/// are equal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TemplateDocument {
    pub(crate) parameters: Map<String, Value>,
    pub(crate) conditions: Map<String, Value>,
    pub(crate) resources: IndexMap<String, ResourceDocument>,
    pub(crate) outputs: Map<String, Value>,
    /// All other sections.
    pub(crate) others: Map<String, Value>,
}

/// The attribute of a resource that its type defines. CloudFormation defines the others.
pub(crate) const PROPERTIES: &str = "Properties";

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ResourceDocument {
    pub(crate) kind: String,
    /// The attributes, of which `Properties` is one.
    pub(crate) attributes: Map<String, Value>,
}

/// Why a document is not a template.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is neither YAML nor JSON.
    #[error("it is neither YAML nor JSON: {0}")]
    Syntax(#[from] serde_yaml::Error),
    /// It is not a map, or has no resources.
    #[error("it has no Resources, so it is not a CloudFormation template")]
    NoResources,
    /// A section is not a map.
    #[error("its {0} are not a map of names")]
    Section(&'static str),
    /// A resource has no type.
    #[error("its resource {0} has no Type")]
    NoType(String),
}

impl TemplateDocument {
    /// Reads a template in YAML or JSON.
    pub fn parse(text: &str) -> Result<Self, ReadError> {
        Self::from_json(long_form(serde_yaml::from_str(text)?))
    }

    /// Reads a template that is parsed already, with intrinsic functions in the long form.
    pub fn from_json(template: Value) -> Result<Self, ReadError> {
        let Value::Object(mut sections) = template else {
            return Err(ReadError::NoResources);
        };
        let mut section = |name| match sections.shift_remove(name) {
            None => Ok(None),
            Some(Value::Object(section)) => Ok(Some(section)),
            Some(_) => Err(ReadError::Section(name)),
        };
        let resources = section("Resources")?.ok_or(ReadError::NoResources)?;
        let parameters = section("Parameters")?.unwrap_or_default();
        let no_values = IndexMap::new();
        let conditions = entries(section("Conditions")?.unwrap_or_default(), &no_values);
        let outputs = entries(section("Outputs")?.unwrap_or_default(), &no_values);
        let resources = resources
            .into_iter()
            .map(|(id, resource)| Ok((id.clone(), ResourceDocument::new(id, resource)?)))
            .collect::<Result<_, ReadError>>()?;
        Ok(Self {
            parameters,
            conditions,
            resources,
            outputs,
            others: sections,
        })
    }

    /// Whether the template has a transform: CloudFormation then deploys another template, which it makes of
    /// this one.
    pub fn has_transform(&self) -> bool {
        self.others.contains_key("Transform")
    }
}

impl ResourceDocument {
    fn new(id: String, resource: Value) -> Result<Self, ReadError> {
        let Value::Object(mut attributes) = resource else {
            return Err(ReadError::NoType(id));
        };
        match attributes.shift_remove("Type") {
            Some(Value::String(kind)) => Ok(Self {
                kind,
                attributes: entries(attributes, &IndexMap::new()),
            }),
            _ => Err(ReadError::NoType(id)),
        }
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&Value> {
        self.attributes.get(name)
    }
}

/// YAML as JSON, with intrinsic functions in the long form: `{"Fn::Sub": "…"}` for `!Sub …`.
fn long_form(yaml: Yaml) -> Value {
    match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => value.into(),
        Yaml::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(value), ..) => value.into(),
            (_, Some(value), _) => value.into(),
            (.., value) => value.into(),
        },
        Yaml::String(text) => text.into(),
        Yaml::Sequence(items) => items.into_iter().map(long_form).collect(),
        Yaml::Mapping(entries) => entries
            .into_iter()
            .map(|(key, value)| (name(&key), long_form(value)))
            .collect(),
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let (name, value) = match (tag.trim_start_matches('!'), long_form(tagged.value)) {
                (name @ ("Ref" | "Condition"), value) => (name.to_owned(), value),
                (name, value) => (format!("Fn::{name}"), value),
            };
            Value::Object(Map::from_iter([(name, value)]))
        }
    }
}

fn name(key: &Yaml) -> String {
    match long_form(key.clone()) {
        Value::String(name) => name,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn yaml_with_short_functions_reads_as_json_does() {
        let yaml = "Resources: {T: {Type: 'AWS::SNS::Topic', Properties: {
            A: !GetAtt T.Arn, B: !Sub '${T}-x', C: !If [Yes, 1, !Ref 'AWS::NoValue'], 2: 0.5}}}";
        let json = json!({ "Resources": { "T": { "Type": "AWS::SNS::Topic", "Properties": {
            "A": { "Fn::GetAtt": "T.Arn" },
            "B": { "Fn::Sub": "${T}-x" },
            "C": { "Fn::If": ["Yes", 1, { "Ref": "AWS::NoValue" }] },
            "2": 0.5,
        } } } });
        let read = TemplateDocument::parse(yaml).expect("a template");
        assert_eq!(read, TemplateDocument::from_json(json).expect("a template"));
    }

    #[test]
    fn document_that_is_not_a_template_is_refused_with_the_problem() {
        for (text, problem) in [
            ("a: [", "neither YAML nor JSON"),
            ("- a", "no Resources"),
            ("Parameters: {}", "no Resources"),
            (
                "Resources: {A: {Properties: {}}}",
                "its resource A has no Type",
            ),
            ("{Resources: {}, Outputs: []}", "its Outputs are not a map"),
        ] {
            let error = TemplateDocument::parse(text).expect_err(text).to_string();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }
}
