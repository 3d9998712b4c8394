//! The properties that CloudFormation cannot update in place, so that their change replaces the resource.
//!
//! [`ReplacementRules::of`] has the rules of every type in CloudFormation's registry
//! (`createOnlyProperties` and `conditionalCreateOnlyProperties` of the type's schema), with two corrections
//! for DynamoDB tables, and of the functions of SAM. [`Rules`] adds those of other types.

use serde::Serialize;
use serde_json::Value;

use crate::{
    meaning::is_leaf,
    path::{PatternMatch, PropertyPath},
    registry::replacements,
};

/// The properties of a resource type whose change replaces the resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReplacementRules {
    /// The type, `AWS::SQS::Queue`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The URL of the type's documentation.
    pub source: String,
    /// The properties that replace a resource.
    pub properties: Vec<ReplacementRule>,
}

/// A property whose change replaces its resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReplacementRule {
    /// The property, `QueueName`, or one within it: `Rule.AllRegions`. `*` is any item of a list.
    pub property: String,
    /// Which of its changes replace the resource.
    pub when: When,
}

/// Which changes of a property replace its resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Every change.
    Always,
    /// A change within an item of the list. Items can be added and removed in place.
    ItemChanges,
    /// Some changes, depending on more than the templates.
    Conditional,
}

const REFERENCE: &str = "https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference";

/// SAM makes an `AWS::Lambda::Function` of it, with the same properties.
const SAM_FUNCTION: &str = "AWS::Serverless::Function";
const SAM_FUNCTION_REFERENCE: &str = "https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-function.html";

/// Rules that differ from the registry's.
const CORRECTIONS: [(&str, &str, When); 2] = [
    // Conditional in the registry; DynamoDB never changes the key of a table.
    ("AWS::DynamoDB::Table", "KeySchema", When::Always),
    // From the reference page; not in the registry.
    (
        "AWS::DynamoDB::Table",
        "AttributeDefinitions",
        When::ItemChanges,
    ),
];

/// The rules that a comparison uses: CloudFormation's registry, and rules of other types.
///
/// ```
/// use cloudformation_diff::{
///     ChangeAction, TemplateDocument, compare_with,
///     replacement::{ReplacementRule, ReplacementRules, Rules, When},
/// };
///
/// let rules = Rules::registry().with(ReplacementRules {
///     kind: "Custom::Domain".to_owned(),
///     source: "https://example.com/domains".to_owned(),
///     properties: vec![ReplacementRule { property: "Name".to_owned(), when: When::Always }],
/// });
/// let template = |name: &str| {
///     let text = format!("Resources: {{D: {{Type: 'Custom::Domain', Properties: {{Name: {name}}}}}}}");
///     TemplateDocument::parse(&text)
/// };
/// let difference = compare_with(&template("a")?, &template("b")?, &rules);
/// assert_eq!(difference.resources[0].action, ChangeAction::Replaced);
/// # Ok::<(), cloudformation_diff::ReadError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Rules {
    added: Vec<ReplacementRules>,
}

impl Rules {
    /// The rules of CloudFormation's registry.
    pub fn registry() -> Self {
        Self::default()
    }

    /// These rules and those of another type, in place of what they had for it.
    #[must_use]
    pub fn with(mut self, rules: ReplacementRules) -> Self {
        self.added.retain(|added| added.kind != rules.kind);
        self.added.push(rules);
        self
    }

    /// The rules of a type. None if there are none for it.
    pub fn of(&self, kind: &str) -> Option<ReplacementRules> {
        let added = self.added.iter().find(|rules| rules.kind == kind);
        added.cloned().or_else(|| ReplacementRules::of(kind))
    }
}

impl ReplacementRules {
    /// The rules of a type of CloudFormation's registry. None if the registry does not have the type.
    pub fn of(kind: &str) -> Option<Self> {
        if kind == SAM_FUNCTION {
            return Some(Self {
                kind: kind.to_owned(),
                source: SAM_FUNCTION_REFERENCE.to_owned(),
                ..Self::of("AWS::Lambda::Function")?
            });
        }
        let corrections = CORRECTIONS.iter().filter(|(of, ..)| *of == kind);
        let is_corrected =
            |property: &str| corrections.clone().any(|(_, known, _)| *known == property);
        let registered = replacements(kind)?
            .filter(|(property, _)| !is_corrected(property))
            .map(|(property, is_certain)| {
                let when = if is_certain {
                    When::Always
                } else {
                    When::Conditional
                };
                (property, when)
            });
        let corrected = corrections
            .clone()
            .map(|(_, property, when)| (*property, *when));
        Some(Self {
            kind: kind.to_owned(),
            source: reference_page(kind),
            properties: registered
                .chain(corrected)
                .map(|(property, when)| ReplacementRule {
                    property: property.to_owned(),
                    when,
                })
                .collect(),
        })
    }

    /// The first rule by which a change replaces the resource, and whether it certainly does.
    pub(crate) fn rule_for(
        &self,
        path: &PropertyPath,
        before: Option<&Value>,
        after: Option<&Value>,
    ) -> Option<(&ReplacementRule, bool)> {
        let matches = self.properties.iter().filter_map(|rule| {
            let is_certain = match path.match_pattern(&rule.property) {
                PatternMatch::None => return None,
                PatternMatch::Inside if rule.when == When::ItemChanges && !path.is_in_item() => {
                    return None;
                }
                PatternMatch::Inside => true,
                // The change is of a whole that has the property as a part.
                PatternMatch::Above(rest) => {
                    let is_known = |value: Option<&Value>| {
                        value.is_none_or(|value| !(value.is_object() && is_leaf(value)))
                    };
                    let is_followed = before.is_none() && after.is_none();
                    let is_certain = is_known(before) && is_known(after) && !is_followed;
                    if is_certain && parts(before, &rest) == parts(after, &rest) {
                        return None;
                    }
                    is_certain
                }
            };
            Some((rule, is_certain && rule.when != When::Conditional))
        });
        // A certain replacement is reported rather than a possible one.
        matches.max_by_key(|(_, is_certain)| *is_certain)
    }
}

/// The values at a path within a value. `*` is every item of a list.
fn parts<'a>(value: Option<&'a Value>, path: &[&str]) -> Vec<&'a Value> {
    let (Some(value), Some((name, rest))) = (value, path.split_first()) else {
        return Vec::from_iter(value);
    };
    match value {
        Value::Array(items) if *name == "*" => {
            let items = items.iter();
            items.flat_map(|item| parts(Some(item), rest)).collect()
        }
        Value::Object(map) => match map.get(*name) {
            Some(value) => parts(Some(value), rest),
            None => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// The page of a type in the template reference.
fn reference_page(kind: &str) -> String {
    let name = kind.to_ascii_lowercase();
    let mut parts = name.splitn(2, "::");
    match (parts.next(), parts.next()) {
        (Some("aws"), Some(name)) => {
            format!("{REFERENCE}/aws-resource-{}.html", name.replace("::", "-"))
        }
        _ => format!("{REFERENCE}/aws-template-resource-type-ref.html"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(text: &str) -> PropertyPath {
        text.split('.')
            .fold(PropertyPath::default(), |path, step| match step {
                step if step.starts_with('[') => path.item(step.trim_matches(['[', ']'])),
                step => path.name(step),
            })
    }

    #[test]
    fn registry_has_types_with_and_without_rules() {
        let queue = ReplacementRules::of("AWS::SQS::Queue").expect("rules");
        let names: Vec<_> = queue
            .properties
            .iter()
            .map(|rule| &*rule.property)
            .collect();
        assert_eq!(names, ["FifoQueue", "QueueName"]);
        assert!(queue.source.ends_with("/aws-resource-sqs-queue.html"));
        let none = ReplacementRules::of("AWS::ApiGateway::Account").expect("rules");
        assert_eq!(none.properties, []);
        assert_eq!(ReplacementRules::of("Custom::Queue"), None);
        let lambda = ReplacementRules::of("AWS::Lambda::Function").expect("rules");
        let sam = ReplacementRules::of(SAM_FUNCTION).expect("rules");
        assert_eq!(sam.properties, lambda.properties);
    }

    #[test]
    fn attribute_definition_is_added_in_place_but_not_changed() {
        let table = ReplacementRules::of("AWS::DynamoDB::Table").expect("rules");
        let item = path("AttributeDefinitions.[job_id]");
        assert_eq!(table.rule_for(&item, None, None), None);
        let kind = item.name("AttributeType");
        let (rule, is_certain) = table.rule_for(&kind, None, None).expect("a rule");
        assert_eq!(
            (&*rule.property, is_certain),
            ("AttributeDefinitions", true)
        );
        let (_, is_certain) = table
            .rule_for(&path("KeySchema"), None, None)
            .expect("a rule");
        assert!(is_certain);
    }

    #[test]
    fn rule_of_a_part_applies_to_changes_of_that_part_only() {
        let rule = |property: &str| ReplacementRule {
            property: property.to_owned(),
            when: When::Always,
        };
        let rules = ReplacementRules {
            kind: "Custom::Rule".to_owned(),
            source: String::new(),
            properties: vec![rule("Rule.Regions"), rule("Nodes.*.Server")],
        };
        let certain = |at: &str, before: Value, after: Value| {
            let found = rules.rule_for(&path(at), Some(&before), Some(&after));
            found.map(|(_, is_certain)| is_certain)
        };
        assert_eq!(certain("Rule.Regions.A", json!(1), json!(2)), Some(true));
        assert_eq!(certain("Rule.Other", json!(1), json!(2)), None);
        let whole = |regions| json!({ "Regions": regions, "Other": 1 });
        assert_eq!(certain("Rule", whole("a"), whole("b")), Some(true));
        assert_eq!(certain("Rule", whole("a"), json!({ "Regions": "a" })), None);
        let reference = json!({ "Ref": "Rule" });
        assert_eq!(certain("Rule", whole("a"), reference), Some(false));
        assert_eq!(certain("Nodes.[0].Server", json!(1), json!(2)), Some(true));
        assert_eq!(certain("Nodes.[0].Name", json!(1), json!(2)), None);
        let nodes = |server| json!([{ "Server": server, "Name": "a" }]);
        assert_eq!(certain("Nodes", nodes("a"), nodes("b")), Some(true));
        assert_eq!(certain("Nodes", nodes("a"), nodes("a")), None);
    }
}
