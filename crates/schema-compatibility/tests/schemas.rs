//! Pairs of schemas, and the changes between them that break one of the sides.

use schema_compatibility::{
    Direction::{self, Queued, Request, Response},
    Rules, compare_schemas,
};
use serde_json::{Value, json};

const RULES: Rules<'_> = Rules {
    open_enumerations: &["code"],
};

fn changes(old: &Value, new: &Value, direction: Direction) -> Vec<String> {
    let changes = compare_schemas(old, new, "#", direction, &RULES);
    changes.iter().map(ToString::to_string).collect()
}

/// Asserts what is reported in each direction.
fn assert_changes(old: &Value, new: &Value, expected: [&[&str]; 3]) {
    for (direction, expected) in [Request, Response, Queued].into_iter().zip(expected) {
        assert_eq!(changes(old, new, direction), expected, "{direction:?}");
    }
}

fn object(properties: &Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required})
}

#[test]
fn equal_schemas_have_no_changes() {
    let schema = json!({
        "$defs": {"Id": {"type": "string", "pattern": "^a"}},
        "type": "object",
        "properties": {
            "id": {"$ref": "#/$defs/Id", "description": "An id."},
            "tags": {"type": "array", "items": {"$ref": "#/$defs/Id"}, "maxItems": 3},
            "next": {"anyOf": [{"$ref": "#/$defs/Id"}, {"type": "null"}]},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        },
        "required": ["id"],
    });
    assert_changes(&schema, &schema, [&[], &[], &[]]);
}

#[test]
fn property_that_is_removed_breaks_everybody() {
    let old = object(
        &json!({"a": {"type": "string"}, "b": {"type": "string"}}),
        &["a"],
    );
    let new = object(&json!({"b": {"type": "string"}}), &[]);
    let gone: &[&str] = &["/a: the property does not exist any more"];
    assert_changes(&old, &new, [gone, gone, gone]);
}

#[test]
fn new_property_breaks_requests_only_if_it_is_required() {
    let old = object(&json!({}), &[]);
    let optional = object(&json!({"a": {"type": "string"}}), &[]);
    assert_changes(&old, &optional, [&[], &[], &[]]);
    let required = object(&json!({"a": {"type": "string"}}), &["a"]);
    let is_required: &[&str] = &["/a: the property is required, and was not"];
    assert_changes(&old, &required, [is_required, &[], is_required]);
}

#[test]
fn property_that_can_be_absent_breaks_its_readers() {
    let old = object(&json!({"a": {"type": "string"}}), &["a"]);
    let new = object(&json!({"a": {"type": "string"}}), &[]);
    let absent: &[&str] = &["/a: the property can be absent, and was always there"];
    assert_changes(&old, &new, [&[], absent, absent]);
}

#[test]
fn types_may_be_wider_in_requests_and_narrower_in_responses() {
    let text = object(&json!({"a": {"type": "string"}}), &[]);
    let nullable = object(&json!({"a": {"type": ["string", "null"]}}), &[]);
    let wider: &[&str] = &["/a: the type is null or string, and was string"];
    assert_changes(&text, &nullable, [&[], wider, wider]);
    let narrower: &[&str] = &["/a: the type is string, and was null or string"];
    assert_changes(&nullable, &text, [narrower, &[], narrower]);
    let number = object(&json!({"a": {"type": "number"}}), &[]);
    let integer = object(&json!({"a": {"type": "integer"}}), &[]);
    assert_eq!(changes(&integer, &number, Request), [""; 0]);
    assert_eq!(changes(&number, &integer, Response), [""; 0]);
    let other: &[&str] = &["/a: the type is number, and was string"];
    assert_changes(&text, &number, [other, other, other]);
}

#[test]
fn null_as_an_alternative_is_the_same_as_null_as_a_type() {
    let types = object(&json!({"a": {"type": ["string", "null"]}}), &[]);
    let alternatives = object(
        &json!({"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}),
        &[],
    );
    assert_changes(&types, &alternatives, [&[], &[], &[]]);
    assert_changes(&alternatives, &types, [&[], &[], &[]]);
}

#[test]
fn bounds_break_requests_when_they_are_narrower() {
    let schema = |minimum: u32, maximum: u32| {
        object(
            &json!({"a": {"type": "integer", "minimum": minimum, "maximum": maximum}}),
            &[],
        )
    };
    let narrower: &[&str] = &[
        "/a: the maximum is 9, and was 10",
        "/a: the minimum is 2, and was 1",
    ];
    assert_changes(&schema(1, 10), &schema(2, 9), [narrower, &[], narrower]);
    assert_changes(&schema(2, 9), &schema(1, 10), [&[], &[], &[]]);
    let unbounded = object(&json!({"a": {"type": "string"}}), &[]);
    let bounded = object(&json!({"a": {"type": "string", "maxLength": 5}}), &[]);
    let what = "/a: the maxLength is 5, and was none";
    assert_eq!(changes(&unbounded, &bounded, Request), [what]);
}

#[test]
fn values_of_enumerations_must_stay() {
    let old = object(&json!({"status": {"enum": ["queued", "running"]}}), &[]);
    let constants = object(
        &json!({"status": {"oneOf": [
            {"type": "string", "const": "waiting"},
            {"type": "string", "const": "running"},
        ]}}),
        &[],
    );
    let gone = r#"/status: the value "queued" does not exist any more"#;
    let new = r#"/status: the value "waiting" is new, and readers do not know it"#;
    assert_changes(&old, &constants, [&[gone], &[gone, new], &[gone, new]]);
}

#[test]
fn open_enumerations_may_have_new_values() {
    let old = object(&json!({"code": {"enum": ["a"]}}), &[]);
    let new = object(&json!({"code": {"enum": ["a", "b"]}}), &[]);
    assert_changes(&old, &new, [&[], &[], &[]]);
    let gone = r#"/code: the value "b" does not exist any more"#;
    assert_changes(&new, &old, [&[gone], &[gone], &[gone]]);
}

#[test]
fn enumeration_in_place_of_any_value_breaks_requests() {
    let any = object(&json!({"a": {"type": "string"}}), &[]);
    let some = object(&json!({"a": {"type": "string", "enum": ["x"]}}), &[]);
    let only = r#"/a: only "x" is allowed, and any value was"#;
    let possible = "/a: any value is possible, and only some were";
    assert_changes(&any, &some, [&[only], &[], &[only]]);
    assert_changes(&some, &any, [&[], &[possible], &[possible]]);
}

fn messages(names: &[&str]) -> Value {
    let variants: Vec<_> = names
        .iter()
        .map(|name| {
            object(
                &json!({"type": {"const": name}, "n": {"type": "integer"}}),
                &["type"],
            )
        })
        .collect();
    json!({"oneOf": variants})
}

#[test]
fn messages_are_compared_by_their_tag() {
    let old = messages(&["a", "b"]);
    let new = messages(&["c", "b", "a"]);
    let unknown: &[&str] = &["(c): the alternative is new, and readers do not know it"];
    assert_changes(&old, &new, [&[], &[], unknown]);
    let gone: &[&str] = &["(c): the alternative does not exist any more"];
    assert_changes(&new, &old, [gone, gone, gone]);
    let mut changed = messages(&["a", "b"]);
    changed["oneOf"][1]["properties"]["n"] = json!({"type": "string"});
    let what = "(b)/n: the type is string, and was integer";
    assert_changes(&old, &changed, [&[what], &[what], &[what]]);
}

#[test]
fn alternatives_are_known_by_their_value_or_their_only_property() {
    let log = json!({"const": "log"});
    let check = |maximum: u32| {
        let epoch = json!({"type": "integer", "maximum": maximum});
        object(
            &json!({"check": object(&json!({"epoch": epoch}), &[])}),
            &["check"],
        )
    };
    let old = json!({"oneOf": [log, check(9)]});
    let new = json!({"oneOf": [check(8), log, {"const": "progress"}]});
    let lower = "(check)/check/epoch: the maximum is 8, and was 9";
    let unknown = "(progress): the alternative is new, and readers do not know it";
    assert_changes(&old, &new, [&[lower], &[], &[lower, unknown]]);
}

#[test]
fn alternative_without_a_tag_is_unknown_to_readers() {
    let old = json!({"oneOf": [{"type": "string"}, {"type": "integer"}]});
    let new = json!({"oneOf": [{"type": "string"}, {"type": "integer"}, {"type": "array"}]});
    let unknown: &[&str] = &["(alternative 3): the alternative is new, and readers do not know it"];
    assert_changes(&old, &new, [&[], unknown, unknown]);
}

#[test]
fn references_are_followed_also_under_other_names() {
    let old = json!({
        "$defs": {"A": {"type": "string", "maxLength": 9}},
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/A"}},
    });
    let new = json!({
        "$defs": {"B": {"type": "string", "maxLength": 8}},
        "type": "object",
        "properties": {"a": {"allOf": [{"$ref": "#/$defs/B"}]}},
    });
    let what = "/a: the maxLength is 8, and was 9";
    assert_eq!(changes(&old, &new, Request), [what]);
}

#[test]
fn items_and_unnamed_properties_are_compared() {
    let schema = |kind: &str| {
        json!({
            "type": "object",
            "properties": {"list": {"type": "array", "items": {"type": kind}}},
            "additionalProperties": {"type": kind},
        })
    };
    let what = [
        "/*: the type is integer, and was string",
        "/list/[]: the type is integer, and was string",
    ];
    assert_changes(&schema("string"), &schema("integer"), [&what, &what, &what]);
}

#[test]
fn closed_objects_break_writers_of_more() {
    let open = object(&json!({"a": {}}), &[]);
    let mut closed = open.clone();
    closed["additionalProperties"] = json!(false);
    let refused = ": unknown properties are refused, and were not";
    assert_changes(&open, &closed, [&[refused], &[], &[refused]]);
    let mut wider = closed.clone();
    wider["properties"]["b"] = json!({});
    let unknown = "/b: the property is new, and readers refuse unknown ones";
    assert_changes(&closed, &wider, [&[], &[], &[unknown]]);
}

#[test]
fn formats_of_texts_count_and_those_of_numbers_do_not() {
    let schema =
        |kind: &str, format: &str| object(&json!({"a": {"type": kind, "format": format}}), &[]);
    let what: &[&str] = &["/a: the format is date, and was date-time"];
    let (old, new) = (schema("string", "date-time"), schema("string", "date"));
    assert_changes(&old, &new, [what, what, what]);
    let (old, new) = (schema("integer", "uint32"), schema("integer", "uint64"));
    assert_changes(&old, &new, [&[], &[], &[]]);
}

#[test]
fn default_of_a_request_must_stay() {
    let schema = |value: u32| object(&json!({"a": {"type": "integer", "default": value}}), &[]);
    let what: &[&str] = &["/a: the default is 6, and was 5"];
    assert_changes(&schema(5), &schema(6), [what, &[], what]);
}

#[test]
fn unknown_keywords_are_reported() {
    let old = object(&json!({"a": {"type": "string"}}), &[]);
    let new = object(
        &json!({"a": {"type": "string", "not": {"const": "x"}}}),
        &[],
    );
    let what: &[&str] = &["/a: the keyword not cannot be compared"];
    assert_changes(&old, &new, [what, what, what]);
}

#[test]
fn schema_that_contains_itself_is_compared() {
    let tree = |maximum: u32| {
        json!({
            "$defs": {"Tree": {
                "type": "object",
                "properties": {
                    "size": {"type": "integer", "maximum": maximum},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/Tree"}},
                },
            }},
            "$ref": "#/$defs/Tree",
        })
    };
    let changes = changes(&tree(2), &tree(1), Request);
    assert!(changes.contains(&"/size: the maximum is 1, and was 2".to_owned()));
}

#[test]
fn schema_that_is_gone_is_a_change() {
    let old = json!({"$defs": {"A": {"type": "string"}}});
    let changes = compare_schemas(&old, &json!({}), "#/$defs/A", Request, &RULES);
    let texts: Vec<_> = changes.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["#/$defs/A: the schema does not exist any more"]);
    let none = compare_schemas(&json!({}), &old, "#/$defs/A", Request, &RULES);
    assert_eq!(none, []);
}
