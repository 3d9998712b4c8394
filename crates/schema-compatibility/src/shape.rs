//! What a schema accepts, independent of how it is written.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// Keywords that do not change what is accepted.
const ANNOTATIONS: &[&str] = &[
    "$comment",
    "$defs",
    "$schema",
    "components",
    "contentMediaType",
    "deprecated",
    "description",
    "example",
    "examples",
    "title",
];

/// The lower bounds and the upper bounds.
pub(crate) const MINIMA: &[&str] = &["minimum", "minLength", "minItems", "minProperties"];
pub(crate) const MAXIMA: &[&str] = &["maximum", "maxLength", "maxItems", "maxProperties"];

/// What a schema accepts. References are resolved at its top, not below.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape<'a> {
    /// The names of types; any if absent.
    pub(crate) types: Option<BTreeSet<&'a str>>,
    /// The values, as JSON text; any if absent.
    pub(crate) values: Option<BTreeSet<String>>,
    pub(crate) properties: BTreeMap<&'a str, Vec<&'a Value>>,
    pub(crate) required: BTreeSet<&'a str>,
    /// Whether properties that are not named are refused.
    pub(crate) is_closed: bool,
    /// The schemas of properties that are not named.
    pub(crate) additional: Vec<&'a Value>,
    pub(crate) items: Vec<&'a Value>,
    pub(crate) bounds: BTreeMap<&'a str, f64>,
    pub(crate) pattern: Option<&'a str>,
    pub(crate) format: Option<&'a str>,
    pub(crate) default: Option<&'a Value>,
    /// The alternatives of an object, by their tag, or by their place in the schema.
    pub(crate) variants: BTreeMap<String, &'a Value>,
    pub(crate) are_tagged: bool,
    /// Keywords that are not understood.
    pub(crate) unknown: BTreeSet<&'a str>,
}

impl<'a> Shape<'a> {
    /// What all of `schemas`, which are of the document `root`, accept.
    pub(crate) fn of(root: &'a Value, schemas: &[&'a Value]) -> Self {
        let mut shape = Self::default();
        for schema in schemas {
            shape.add(root, schema);
        }
        shape
    }

    fn add(&mut self, root: &'a Value, schema: &'a Value) {
        let Value::Object(keywords) = schema else {
            // `true` accepts everything; `false` nothing, which no document says.
            if schema != &Value::Bool(true) {
                self.unknown.insert("false");
            }
            return;
        };
        for (keyword, value) in keywords {
            self.add_keyword(root, keyword, value);
        }
        self.add_properties(keywords);
    }

    fn add_keyword(&mut self, root: &'a Value, keyword: &'a str, value: &'a Value) {
        match keyword {
            "$ref" => match value.as_str().and_then(|it| root.pointer(it.get(1..)?)) {
                Some(schema) => self.add(root, schema),
                None => {
                    self.unknown.insert("$ref");
                }
            },
            "type" => restrict(&mut self.types, texts(value)),
            "enum" => restrict(&mut self.values, array(value).iter().map(json).collect()),
            "const" => restrict(&mut self.values, [json(value)].into()),
            "items" => self.items.push(value),
            "pattern" => self.pattern = value.as_str(),
            "format" => self.format = value.as_str(),
            "default" => self.default = Some(value),
            "allOf" => {
                for schema in array(value) {
                    self.add(root, schema);
                }
            }
            "anyOf" | "oneOf" => self.add_alternatives(root, array(value)),
            "properties" | "required" | "additionalProperties" => {}
            _ if MINIMA.contains(&keyword) || MAXIMA.contains(&keyword) => {
                self.bounds
                    .insert(keyword, value.as_f64().unwrap_or_default());
            }
            _ if ANNOTATIONS.contains(&keyword) => {}
            _ => {
                self.unknown.insert(keyword);
            }
        }
    }

    fn add_properties(&mut self, keywords: &'a Map<String, Value>) {
        let properties = keywords.get("properties").and_then(Value::as_object);
        for (name, schema) in properties.into_iter().flatten() {
            self.properties.entry(name).or_default().push(schema);
        }
        if let Some(required) = keywords.get("required") {
            self.required.extend(texts(required));
        }
        match keywords.get("additionalProperties") {
            None | Some(Value::Bool(true)) => {}
            Some(Value::Bool(false)) => self.is_closed = true,
            Some(schema) => self.additional.push(schema),
        }
    }

    fn add_alternatives(&mut self, root: &'a Value, alternatives: &'a [Value]) {
        let (nulls, rest): (Vec<_>, Vec<_>) =
            alternatives.iter().partition(|it| it["type"] == "null");
        let shapes: Vec<_> = rest.iter().map(|it| Self::of(root, &[it])).collect();
        if let ([only], [shape]) = (&rest[..], &shapes[..]) {
            // An optional value: null is one more type.
            let types = shape.types.clone();
            self.add(root, only);
            if !nulls.is_empty()
                && let Some(mut types) = types
            {
                types.insert("null");
                self.types = Some(types);
            }
        } else if shapes.iter().all(|shape| shape.values.is_some()) {
            let values = shapes.into_iter().filter_map(|shape| shape.values);
            restrict(&mut self.values, values.flatten().collect());
        } else {
            let tags: Vec<_> = shapes.iter().map(|shape| shape.tag(root)).collect();
            self.are_tagged = tags.iter().all(Option::is_some);
            for (index, (schema, tag)) in rest.into_iter().zip(tags).enumerate() {
                let tag = tag.unwrap_or_else(|| format!("alternative {}", index + 1));
                self.variants.insert(tag, schema);
            }
        }
    }

    /// What distinguishes an alternative from the others: its only value, the only value of a required property, or the name of its
    /// only property.
    fn tag(&self, root: &'a Value) -> Option<String> {
        let only = |values: &BTreeSet<String>| match values.len() {
            1 => values.first().cloned(),
            _ => None,
        };
        if let Some(values) = &self.values {
            return only(values);
        }
        let constant = self.required.iter().find_map(|name| {
            let property = Shape::of(root, self.properties.get(name)?);
            only(&property.values?)
        });
        constant.or_else(|| {
            let name = self.properties.keys().next()?;
            let is_only = self.properties.len() == 1 && self.required.contains(name);
            is_only.then(|| (*name).to_owned())
        })
    }
}

/// Keeps what both accept.
fn restrict<T: Ord + Clone>(accepted: &mut Option<BTreeSet<T>>, by: BTreeSet<T>) {
    *accepted = Some(match accepted.take() {
        None => by,
        Some(before) => before.intersection(&by).cloned().collect(),
    });
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn json(value: &Value) -> String {
    value.to_string()
}

/// A text, or the texts of an array.
fn texts(value: &Value) -> BTreeSet<&str> {
    match value {
        Value::String(text) => [text.as_str()].into(),
        _ => array(value).iter().filter_map(Value::as_str).collect(),
    }
}
