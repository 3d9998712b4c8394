//! Reading a template, whoever wrote it.

use indexmap::IndexMap;
use serde_json::{Map, Value};
use serde_yaml::Value as Yaml;

use super::canonical::entries;
use crate::template::Format;

/// A template as AWS gets it, with every value in its canonical form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TemplateDocument {
    pub(super) parameters: Map<String, Value>,
    pub(super) conditions: Map<String, Value>,
    pub(super) resources: IndexMap<String, ResourceDocument>,
    pub(super) outputs: Map<String, Value>,
    /// Everything else.
    pub(super) others: Map<String, Value>,
}

/// The attribute of a resource that is its own; the others are CloudFormation's.
pub(super) const PROPERTIES: &str = "Properties";

#[derive(Clone, Debug, PartialEq)]
pub(super) struct ResourceDocument {
    pub(super) kind: String,
    /// The properties and attributes.
    pub(super) attributes: Map<String, Value>,
}

/// Why something is no template.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is neither YAML nor JSON.
    #[error("it is neither YAML nor JSON: {0}")]
    Syntax(#[from] serde_yaml::Error),
    /// It is no map, or has no resources.
    #[error("it has no Resources, so it is no CloudFormation template")]
    NoResources,
    /// A section is not what it should be.
    #[error("its {0} are no map of names")]
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

    /// Takes a template in JSON apart.
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

    /// Whether CloudFormation makes another template of it before it deploys it.
    pub fn has_transform(&self) -> bool {
        self.others.contains_key("Transform")
    }

    /// Which of the formats it is in.
    pub fn format(&self) -> Format {
        if self.has_transform() {
            Format::Sam
        } else {
            Format::CloudFormation
        }
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

    pub(super) fn attribute(&self, name: &str) -> Option<&Value> {
        self.attributes.get(name)
    }
}

/// YAML as JSON, with `{"Fn::Sub": "…"}` for `!Sub …` and so on.
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
    use super::*;
    use crate::{environments::Environment, stack};

    #[test]
    fn what_is_written_is_read_back_in_both_formats() {
        let template = stack::synthesize(&Environment::prod()).expect("a template");
        for format in Format::ALL {
            let yaml = template.render(format).to_yaml().expect("YAML");
            let json = template.to_json(format).expect("JSON");
            let read = TemplateDocument::parse(&yaml).expect("a template");
            assert_eq!(read.format(), format);
            assert_eq!(read, TemplateDocument::from_json(json).expect("a template"));
        }
    }

    #[test]
    fn what_is_no_template_is_refused_with_what_is_wrong() {
        for (text, problem) in [
            ("a: [", "neither YAML nor JSON"),
            ("- a", "no Resources"),
            ("Parameters: {}", "no Resources"),
            (
                "Resources: {A: {Properties: {}}}",
                "its resource A has no Type",
            ),
            ("{Resources: {}, Outputs: []}", "its Outputs are no map"),
        ] {
            let error = TemplateDocument::parse(text).expect_err(text).to_string();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }
}
