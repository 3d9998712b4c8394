//! Resources by type name and properties, without a Rust type for them.

use indexmap::IndexMap;
use serde::{Serialize, Serializer};
use serde_yaml::{Number, Value};

use crate::names::LogicalId;

/// A resource without a Rust type: its CloudFormation type name and its properties as data.
///
/// Intrinsic functions are written in the long form in JSON (`{"Fn::GetAtt": ["Queue", "Arn"]}`), as
/// tags in YAML (`!GetAtt Queue.Arn`), or as [`StringValue`](crate::StringValue)s within other values.
/// References are checked as those of typed resources are.
///
/// ```
/// use cloudformation::{Attributes, ConstructPath, Template, Untyped};
/// use serde_json::json;
///
/// let mut template = Template::new("A topic and its subscription");
/// let topic = Untyped::new("AWS::SNS::Topic", json!({ "DisplayName": "Orders" }))?;
/// let topic = template.add_untyped(&ConstructPath::root("orders"), topic, Attributes::default())?;
/// let subscription = Untyped::new(
///     "AWS::SNS::Subscription",
///     json!({ "TopicArn": topic.reference(), "Protocol": "email", "Endpoint": "on-call@example.com" }),
/// )?;
/// template.add_untyped(&ConstructPath::root("on_call"), subscription, Attributes::default())?;
/// assert_eq!(template.check_references()?, []);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Untyped {
    type_name: String,
    properties: IndexMap<String, Data>,
}

/// Why something is not an untyped resource.
#[derive(Debug, thiserror::Error)]
pub enum UntypedError {
    /// The type name does not have the form of CloudFormation's.
    #[error("'{0}' is not a resource type: write it like AWS::SNS::Topic or Custom::Name")]
    TypeName(String),
    /// The properties are not a map.
    #[error("the properties of the {0} are not a map of names to values")]
    NoMap(String),
    /// The properties cannot be read as YAML, or cannot be serialized.
    #[error("the properties of the {type_name} cannot be read: {cause}")]
    Unreadable {
        /// The resource type.
        type_name: String,
        /// The cause.
        cause: serde_yaml::Error,
    },
    /// CloudFormation has no intrinsic function of this name.
    #[error(
        "the property {path} of the {type_name} calls '{function}', which is not an intrinsic function of \
         CloudFormation; it has {}",
        known()
    )]
    UnknownFunction {
        /// The resource type.
        type_name: String,
        /// Where in the properties the call is, `Policy.Statement[0].Resource`.
        path: String,
        /// The name that was used.
        function: String,
    },
    /// The template does not have the resource whose property is to be overridden.
    #[error("the template has no resource {0}: its handle is another template's")]
    NoResource(LogicalId),
    /// `Fn::GetAtt` does not name a resource and an attribute.
    #[error(
        "the property {path} of the {type_name} has a Fn::GetAtt without a resource and an attribute: write [Resource, Attribute]"
    )]
    GetAtt {
        /// The resource type.
        type_name: String,
        /// Where in the properties the call is.
        path: String,
    },
}

/// The intrinsic functions that a resource's properties can call.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html>
const FUNCTIONS: [&str; 19] = [
    "Ref",
    "Fn::And",
    "Fn::Base64",
    "Fn::Cidr",
    "Fn::Equals",
    "Fn::FindInMap",
    "Fn::GetAtt",
    "Fn::GetAZs",
    "Fn::If",
    "Fn::ImportValue",
    "Fn::Join",
    "Fn::Length",
    "Fn::Not",
    "Fn::Or",
    "Fn::Select",
    "Fn::Split",
    "Fn::Sub",
    "Fn::ToJsonString",
    "Fn::Transform",
];

fn known() -> String {
    FUNCTIONS.join(", ")
}

/// A value of an untyped resource. Intrinsic functions are apart from maps, so that they serialize as
/// those of typed resources do.
#[derive(Clone, Debug, PartialEq)]
enum Data {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    List(Vec<Data>),
    Map(IndexMap<String, Data>),
    Function(&'static str, Box<Data>),
}

impl Untyped {
    /// A resource of a type, with properties: a JSON or YAML value, or anything that serializes as a map.
    pub fn new(
        type_name: impl Into<String>,
        properties: impl Serialize,
    ) -> Result<Self, UntypedError> {
        let type_name = type_name.into();
        if !is_type_name(&type_name) {
            return Err(UntypedError::TypeName(type_name));
        }
        match serde_yaml::to_value(properties) {
            Ok(properties) => Self::from_value(type_name, properties),
            Err(cause) => Err(UntypedError::Unreadable { type_name, cause }),
        }
    }

    /// A resource of a type, with properties as YAML or JSON text. Intrinsic functions can have the short
    /// form, `!GetAtt Queue.Arn`.
    pub fn parse(type_name: impl Into<String>, properties: &str) -> Result<Self, UntypedError> {
        let type_name = type_name.into();
        match serde_yaml::from_str::<Value>(properties) {
            Ok(properties) => Self::new(type_name, properties),
            Err(cause) => Err(UntypedError::Unreadable { type_name, cause }),
        }
    }

    fn from_value(type_name: String, properties: Value) -> Result<Self, UntypedError> {
        let reader = Reader {
            type_name: &type_name,
        };
        match reader.data("", properties)? {
            Data::Map(properties) => Ok(Self {
                type_name,
                properties,
            }),
            _ => Err(UntypedError::NoMap(type_name)),
        }
    }

    /// The type's name, `AWS::SNS::Topic`.
    pub fn type_name(&self) -> &str {
        &self.type_name
    }
}

/// Properties that override those of a resource, or that its Rust type does not have. See
/// [`Template::override_property`](crate::Template::override_property).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides(IndexMap<String, Data>);

impl Overrides {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn set(
        &mut self,
        type_name: &str,
        property: String,
        value: impl Serialize,
    ) -> Result<(), UntypedError> {
        let value = serde_yaml::to_value(value).map_err(|cause| UntypedError::Unreadable {
            type_name: type_name.to_owned(),
            cause,
        })?;
        let value = Reader { type_name }.data(&property, value)?;
        self.0.insert(property, value);
        Ok(())
    }

    /// The properties with these in place of theirs.
    pub(crate) fn apply(
        &self,
        type_name: &str,
        properties: impl Serialize,
    ) -> Result<Untyped, UntypedError> {
        let type_name = type_name.to_owned();
        let mut resource = match serde_yaml::to_value(properties) {
            Ok(properties) => Untyped::from_value(type_name, properties)?,
            Err(cause) => return Err(UntypedError::Unreadable { type_name, cause }),
        };
        resource.properties.extend(self.0.clone());
        Ok(resource)
    }
}

/// Two or more names of letters and digits between `::`. Custom resources take `_`, `@` and `-` too.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudformation-customresource.html>
fn is_type_name(name: &str) -> bool {
    let is_custom = name.starts_with("Custom::");
    let is_part = |part: &str| {
        let is_allowed = |it: char| it.is_ascii_alphanumeric() || (is_custom && "_@-".contains(it));
        !part.is_empty() && part.chars().all(is_allowed)
    };
    name.contains("::") && name.split("::").all(is_part)
}

/// Reads values, and knows whose they are.
struct Reader<'a> {
    type_name: &'a str,
}

impl Reader<'_> {
    fn data(&self, path: &str, value: Value) -> Result<Data, UntypedError> {
        Ok(match value {
            Value::Null => Data::Null,
            Value::Bool(value) => Data::Bool(value),
            Value::Number(number) => Data::Number(number),
            Value::String(text) => Data::String(text),
            Value::Sequence(items) => Data::List(
                items
                    .into_iter()
                    .enumerate()
                    .map(|(index, item)| self.data(&format!("{path}[{index}]"), item))
                    .collect::<Result<_, _>>()?,
            ),
            Value::Mapping(entries) => {
                let mut map = IndexMap::with_capacity(entries.len());
                for (key, value) in entries {
                    let key = match key {
                        Value::String(key) => key,
                        other => serde_yaml::to_string(&other)
                            .unwrap_or_default()
                            .trim()
                            .to_owned(),
                    };
                    map.insert(key, value);
                }
                let is_call = |name: &str| name == "Ref" || name.starts_with("Fn::");
                match map.len() {
                    1 if map.keys().any(|name| is_call(name)) => {
                        let (name, argument) = map.swap_remove_index(0).unwrap_or_default();
                        self.call(path, &name, argument)?
                    }
                    _ => Data::Map(
                        map.into_iter()
                            .map(|(name, value)| {
                                let path = if path.is_empty() {
                                    name.clone()
                                } else {
                                    format!("{path}.{name}")
                                };
                                Ok((name, self.data(&path, value)?))
                            })
                            .collect::<Result<_, UntypedError>>()?,
                    ),
                }
            }
            Value::Tagged(tagged) => {
                let tag = tagged.tag.to_string();
                let name = match tag.trim_start_matches('!') {
                    name if name == "Ref" || name.starts_with("Fn::") => name.to_owned(),
                    short => format!("Fn::{short}"),
                };
                self.call(path, &name, tagged.value)?
            }
        })
    }

    fn call(&self, path: &str, name: &str, argument: Value) -> Result<Data, UntypedError> {
        let Some(function) = FUNCTIONS.into_iter().find(|known| *known == name) else {
            return Err(UntypedError::UnknownFunction {
                type_name: self.type_name.to_owned(),
                path: path.to_owned(),
                function: name.to_owned(),
            });
        };
        let argument = match (function, self.data(path, argument)?) {
            ("Fn::GetAtt", argument) => self.get_att(path, argument)?,
            (_, argument) => argument,
        };
        Ok(Data::Function(function, Box::new(argument)))
    }

    /// `Resource.Attribute` and `[Resource, Attribute]` both mean the latter.
    fn get_att(&self, path: &str, argument: Data) -> Result<Data, UntypedError> {
        let error = || UntypedError::GetAtt {
            type_name: self.type_name.to_owned(),
            path: path.to_owned(),
        };
        match argument {
            Data::String(text) => {
                let (resource, attribute) = text.split_once('.').ok_or_else(error)?;
                let parts = [resource, attribute].map(|part| Data::String(part.to_owned()));
                Ok(Data::List(parts.into()))
            }
            Data::List(parts) if matches!(&parts[..], [Data::String(_), _]) => {
                Ok(Data::List(parts))
            }
            _ => Err(error()),
        }
    }
}

impl Serialize for Untyped {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.properties.serialize(serializer)
    }
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => number.serialize(serializer),
            Self::String(text) => serializer.serialize_str(text),
            Self::List(items) => items.serialize(serializer),
            Self::Map(entries) => entries.serialize(serializer),
            Self::Function(name, argument) => {
                serializer.serialize_newtype_variant("Function", 0, name, argument)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{ConstructPath, StringValue};

    #[test]
    fn json_yaml_and_typed_references_are_the_same_properties() {
        let queue = StringValue::GetAtt(ConstructPath::root("queue").logical_id(), "Arn".into());
        let long = json!({ "Endpoint": { "Fn::GetAtt": ["Queue", "Arn"] }, "Raw": true });
        let typed = json!({ "Endpoint": queue, "Raw": true });
        let kind = "AWS::SNS::Subscription";
        let expected = Untyped::new(kind, long).expect("properties");
        assert_eq!(Untyped::new(kind, typed).expect("properties"), expected);
        for yaml in [
            "Endpoint: !GetAtt Queue.Arn\nRaw: true",
            "Endpoint: {Fn::GetAtt: Queue.Arn}\nRaw: true",
        ] {
            assert_eq!(
                Untyped::parse(kind, yaml).expect("properties"),
                expected,
                "{yaml}"
            );
        }
    }

    #[test]
    fn invalid_properties_are_refused_with_their_place() {
        for (kind, yaml, problem) in [
            ("Topic", "{}", "'Topic' is not a resource type"),
            ("AWS::", "{}", "'AWS::' is not a resource type"),
            ("AWS::S3::Bucket", "- a", "not a map"),
            ("AWS::S3::Bucket", "a: [", "cannot be read"),
            (
                "AWS::S3::Bucket",
                "A: [{B: !Sbu x}]",
                "the property A[0].B of the AWS::S3::Bucket calls 'Fn::Sbu'",
            ),
            (
                "AWS::S3::Bucket",
                "A: !GetAtt x",
                "without a resource and an attribute",
            ),
        ] {
            let error = Untyped::parse(kind, yaml).expect_err(yaml).to_string();
            assert!(error.contains(problem), "{yaml}: {error}");
        }
        assert!(Untyped::new("Custom::My-Resource", json!({})).is_ok());
    }

    #[test]
    fn map_that_has_more_than_a_function_name_is_a_map() {
        let both = json!({ "A": { "Ref": "B", "Other": 1 } });
        let resource = Untyped::new("AWS::S3::Bucket", &both).expect("properties");
        assert_eq!(serde_json::to_value(resource).expect("JSON"), both);
    }
}
