//! Evaluates CloudFormation's intrinsic functions for the local stack.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{document::Document, error::TemplateError, location::StackLocation};

/// The maximum nesting of references; deeper references are taken for circular ones.
pub(super) const MAX_REFERENCE_DEPTH: usize = 64;

/// A template, with everything that its references are resolved from.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    pub(super) document: &'a Document,
    pub(super) parameters: &'a BTreeMap<String, String>,
    pub(super) location: &'a StackLocation,
}

impl Scope<'_> {
    /// The value with every intrinsic function evaluated; `None` is `AWS::NoValue`.
    pub(super) fn evaluate(&self, value: &Value) -> Result<Option<Value>, TemplateError> {
        self.value(value, 0)
    }

    /// The value of a named condition.
    pub(super) fn condition(&self, name: &str) -> Result<bool, TemplateError> {
        self.named_condition(name, 0)
    }

    pub(super) fn value(
        &self,
        value: &Value,
        depth: usize,
    ) -> Result<Option<Value>, TemplateError> {
        if depth > MAX_REFERENCE_DEPTH {
            return Err(TemplateError::CircularReference {
                value: value.to_string(),
            });
        }
        match value {
            Value::Array(items) => {
                let mut evaluated = Vec::with_capacity(items.len());
                for item in items {
                    evaluated.extend(self.value(item, depth + 1)?);
                }
                Ok(Some(Value::Array(evaluated)))
            }
            Value::Object(fields) => {
                if let Some((name, argument)) = intrinsic(fields) {
                    return self.function(name, argument, depth + 1);
                }
                let mut evaluated = Map::new();
                for (name, field) in fields {
                    if let Some(field) = self.value(field, depth + 1)? {
                        evaluated.insert(name.clone(), field);
                    }
                }
                Ok(Some(Value::Object(evaluated)))
            }
            scalar => Ok(Some(scalar.clone())),
        }
    }

    fn function(
        &self,
        name: &str,
        argument: &Value,
        depth: usize,
    ) -> Result<Option<Value>, TemplateError> {
        let malformed = || TemplateError::Malformed {
            function: name.to_owned(),
            argument: argument.to_string(),
        };
        let text = match name {
            "Ref" => {
                let target = argument.as_str().ok_or_else(malformed)?;
                if target == "AWS::NoValue" {
                    return Ok(None);
                }
                self.named(target, depth)?
            }
            "Fn::GetAtt" => match argument {
                Value::String(path) => {
                    let (id, attribute) = path.split_once('.').ok_or_else(malformed)?;
                    self.resource_attribute(id, attribute, depth)?
                }
                Value::Array(parts) => match parts.as_slice() {
                    [Value::String(id), Value::String(attribute)] => {
                        self.resource_attribute(id, attribute, depth)?
                    }
                    _ => return Err(malformed()),
                },
                _ => return Err(malformed()),
            },
            "Fn::Sub" => match argument {
                Value::String(pattern) => self.substitute(pattern, &Map::new(), depth)?,
                Value::Array(parts) => match parts.as_slice() {
                    [Value::String(pattern), Value::Object(variables)] => {
                        self.substitute(pattern, variables, depth)?
                    }
                    _ => return Err(malformed()),
                },
                _ => return Err(malformed()),
            },
            "Fn::Join" => match argument.as_array().map(Vec::as_slice) {
                Some([Value::String(separator), parts]) => {
                    let parts = self.value(parts, depth)?.ok_or_else(malformed)?;
                    let parts = parts.as_array().ok_or_else(malformed)?;
                    let parts = parts.iter().map(|part| scalar(part).ok_or_else(malformed));
                    parts.collect::<Result<Vec<_>, _>>()?.join(separator)
                }
                _ => return Err(malformed()),
            },
            "Fn::Select" => match argument.as_array().map(Vec::as_slice) {
                Some([index, items]) => {
                    let index = scalar(index).and_then(|index| index.parse::<usize>().ok());
                    let items = self.value(items, depth)?.ok_or_else(malformed)?;
                    let item = index.and_then(|index| items.get(index));
                    return Ok(Some(item.ok_or_else(malformed)?.clone()));
                }
                _ => return Err(malformed()),
            },
            "Fn::Split" => match argument.as_array().map(Vec::as_slice) {
                Some([Value::String(separator), source]) => {
                    let source = self.value(source, depth)?.ok_or_else(malformed)?;
                    let source = scalar(&source).ok_or_else(malformed)?;
                    return Ok(Some(source.split(separator).map(Value::from).collect()));
                }
                _ => return Err(malformed()),
            },
            "Fn::If" => match argument.as_array().map(Vec::as_slice) {
                Some([Value::String(condition), when_true, when_false]) => {
                    let chosen = if self.named_condition(condition, depth)? {
                        when_true
                    } else {
                        when_false
                    };
                    return self.value(chosen, depth);
                }
                _ => return Err(malformed()),
            },
            "Fn::FindInMap" => {
                let path = self.value(argument, depth)?.ok_or_else(malformed)?;
                let mut found = &self.document.mappings;
                for key in path.as_array().ok_or_else(malformed)? {
                    found = &found[key.as_str().ok_or_else(malformed)?];
                }
                return if found.is_null() {
                    Err(malformed())
                } else {
                    Ok(Some(found.clone()))
                };
            }
            _ => {
                return Err(TemplateError::UnknownFunction {
                    function: name.to_owned(),
                });
            }
        };
        Ok(Some(Value::String(self.localize(text, depth)?)))
    }

    fn substitute(
        &self,
        pattern: &str,
        variables: &Map<String, Value>,
        depth: usize,
    ) -> Result<String, TemplateError> {
        let malformed = || TemplateError::Malformed {
            function: "Fn::Sub".to_owned(),
            argument: pattern.to_owned(),
        };
        let mut text = String::new();
        let mut rest = pattern;
        while let Some(start) = rest.find("${") {
            text.push_str(&rest[..start]);
            let end = rest[start..].find('}').ok_or_else(malformed)? + start;
            let name = &rest[start + 2..end];
            if let Some(literal) = name.strip_prefix('!') {
                text.push_str("${");
                text.push_str(literal);
                text.push('}');
            } else if let Some(variable) = variables.get(name) {
                let variable = self.value(variable, depth)?.ok_or_else(malformed)?;
                text.push_str(&scalar(&variable).ok_or_else(malformed)?);
            } else if let Some((id, attribute)) = name.split_once('.') {
                text.push_str(&self.resource_attribute(id, attribute, depth)?);
            } else {
                text.push_str(&self.named(name, depth)?);
            }
            rest = &rest[end + 1..];
        }
        text.push_str(rest);
        Ok(text)
    }
}

/// The name and the argument of an intrinsic function; `None` if these fields are an ordinary object.
fn intrinsic(fields: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (name, argument) = fields.iter().next()?;
    let is_function = fields.len() == 1 && (name == "Ref" || name.starts_with("Fn::"));
    is_function.then_some((name, argument))
}

/// The text of a string, number or Boolean; `None` for any other value.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}
