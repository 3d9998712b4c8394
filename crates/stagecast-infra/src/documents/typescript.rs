//! TypeScript types of the messages, derived from their JSON Schemas.

use serde_json::{Map, Value};

use super::{DocumentError, MessageSchemas};

/// Writes the types of all messages. `header` is a comment.
pub fn typescript(schemas: &MessageSchemas, header: &str) -> Result<String, DocumentError> {
    let mut lines = Vec::new();
    for (name, schema) in schemas.definitions() {
        lines.push(String::new());
        lines.extend(declaration(name, schema)?);
    }
    Ok(format!("{header}{}\n", lines.join("\n")))
}

/// The lines that declare a type: an interface for an object, an alias for everything else.
fn declaration(name: &str, schema: &Value) -> Result<Vec<String>, DocumentError> {
    let mut lines = documentation(schema, "");
    if schema["type"] == "object" && schema.get("$ref").is_none() {
        lines.push(format!("export interface {name} {{"));
        for (property, value) in schema["properties"].as_object().into_iter().flatten() {
            lines.extend(documentation(value, "  "));
            lines.push(format!("  {};", member(name, schema, property, value)?));
        }
        lines.push("}".to_owned());
        return Ok(lines);
    }
    match &choices(name, schema)?[..] {
        [only] => lines.push(format!("export type {name} = {only};")),
        choices => {
            lines.push(format!("export type {name} ="));
            lines.extend(choices.iter().map(|choice| format!("  | {choice}")));
            if let Some(last) = lines.last_mut() {
                last.push(';');
            }
        }
    }
    Ok(lines)
}

fn documentation(schema: &Value, indent: &str) -> Vec<String> {
    let lines: Vec<_> = schema["description"]
        .as_str()
        .unwrap_or("")
        .lines()
        .collect();
    match lines[..] {
        [] => Vec::new(),
        [only] => vec![format!("{indent}/** {only} */")],
        _ => std::iter::once(format!("{indent}/**"))
            .chain(lines.iter().map(|line| format!("{indent} * {line}")))
            .chain([format!("{indent} */")])
            .collect(),
    }
}

fn member(
    path: &str,
    object: &Value,
    property: &str,
    value: &Value,
) -> Result<String, DocumentError> {
    let is_required = object["required"]
        .as_array()
        .is_some_and(|required| required.iter().any(|name| name == property));
    let mark = if is_required { "" } else { "?" };
    let choices = choices(&format!("{path}.{property}"), value)?;
    Ok(format!("{property}{mark}: {}", choices.join(" | ")))
}

/// The alternatives of a value's type.
fn choices(path: &str, schema: &Value) -> Result<Vec<String>, DocumentError> {
    let unsupported = || DocumentError::NoTypeScript {
        path: path.to_owned(),
        schema: schema.to_string(),
    };
    let schema = match schema {
        Value::Bool(true) => return Ok(vec!["unknown".to_owned()]),
        Value::Object(schema) => schema,
        _ => return Err(unsupported()),
    };
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let name = reference.rsplit('/').next().unwrap_or(reference);
        return Ok(vec![match inline_object(path, schema)? {
            Some(object) => format!("({object} & {name})"),
            None => name.to_owned(),
        }]);
    }
    if let Some(constant) = schema.get("const") {
        return Ok(vec![constant.to_string()]);
    }
    if let Some(constants) = schema.get("enum").and_then(Value::as_array) {
        return Ok(constants.iter().map(Value::to_string).collect());
    }
    if let Some(choice) = schema.get("oneOf").or_else(|| schema.get("anyOf")) {
        let variants = choice.as_array().ok_or_else(unsupported)?;
        let types: Result<Vec<_>, _> = variants
            .iter()
            .map(|variant| choices(path, variant))
            .collect();
        return Ok(types?.concat());
    }
    match schema.get("type") {
        Some(Value::String(kind)) => Ok(vec![of_type(path, kind, schema)?]),
        Some(Value::Array(kinds)) => kinds
            .iter()
            .map(|kind| of_type(path, kind.as_str().unwrap_or_default(), schema))
            .collect(),
        None if schema.keys().all(|key| key == "description") => Ok(vec!["unknown".to_owned()]),
        _ => Err(unsupported()),
    }
}

fn of_type(path: &str, kind: &str, schema: &Map<String, Value>) -> Result<String, DocumentError> {
    let unsupported = || DocumentError::NoTypeScript {
        path: path.to_owned(),
        schema: Value::Object(schema.clone()).to_string(),
    };
    match kind {
        "string" | "boolean" | "null" => Ok(kind.to_owned()),
        "integer" | "number" => Ok("number".to_owned()),
        "array" => {
            let items = schema.get("items").ok_or_else(unsupported)?;
            Ok(format!("Array<{}>", choices(path, items)?.join(" | ")))
        }
        "object" => match (
            inline_object(path, schema)?,
            schema.get("additionalProperties"),
        ) {
            (Some(object), _) => Ok(object),
            (None, Some(values @ Value::Object(_))) => {
                let values = choices(path, values)?.join(" | ");
                Ok(format!("Record<string, {values}>"))
            }
            (None, _) => Err(unsupported()),
        },
        _ => Err(unsupported()),
    }
}

/// An inline object type, if the schema has properties.
fn inline_object(path: &str, schema: &Map<String, Value>) -> Result<Option<String>, DocumentError> {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return Ok(None);
    };
    let object = Value::Object(schema.clone());
    let members: Result<Vec<_>, _> = properties
        .iter()
        .map(|(property, value)| member(path, &object, property, value))
        .collect();
    Ok(Some(format!("{{ {} }}", members?.join("; "))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn type_of(schema: &Value) -> String {
        choices("Test", schema).expect("a type").join(" | ")
    }

    #[test]
    fn schemas_become_typescript_types() {
        assert_eq!(
            type_of(&json!({ "type": ["integer", "null"] })),
            "number | null"
        );
        assert_eq!(type_of(&json!({ "description": "anything" })), "unknown");
        assert_eq!(type_of(&json!({ "enum": ["a", 1] })), "\"a\" | 1");
        assert_eq!(
            type_of(&json!({ "type": "array", "items": { "type": "string" } })),
            "Array<string>"
        );
        assert_eq!(
            type_of(&json!({ "type": "object", "additionalProperties": { "type": "string" } })),
            "Record<string, string>"
        );
        assert_eq!(
            type_of(&json!({
                "$ref": "#/$defs/Base",
                "properties": { "a": { "const": "x" }, "b": { "type": "boolean" } },
                "required": ["a"],
            })),
            "({ a: \"x\"; b?: boolean } & Base)"
        );
    }

    #[test]
    fn unsupported_schema_is_an_error_with_its_path() {
        let error = choices("Job.results", &json!({ "not": {} })).expect_err("no type");
        assert!(error.to_string().contains("Job.results"), "{error}");
    }

    #[test]
    fn optional_properties_have_a_question_mark() {
        let schema = json!({
            "type": "object",
            "description": "Two lines\nof text.",
            "properties": {
                "a": { "type": "string", "description": "One." },
                "b": { "type": "string" },
            },
            "required": ["a"],
        });
        assert_eq!(
            declaration("Thing", &schema).expect("a declaration"),
            [
                "/**",
                " * Two lines",
                " * of text.",
                " */",
                "export interface Thing {",
                "  /** One. */",
                "  a: string;",
                "  b?: string;",
                "}",
            ]
        );
    }

    #[test]
    fn alternatives_become_a_union() {
        let schema = json!({ "oneOf": [{ "const": "a" }, { "const": "b" }] });
        assert_eq!(
            declaration("Choice", &schema).expect("a declaration"),
            ["export type Choice =", "  | \"a\"", "  | \"b\";"]
        );
    }
}
