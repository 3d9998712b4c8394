//! Paths to properties within a resource.

use std::fmt;

use serde::{Serialize, Serializer};

/// The path of a property in a resource: `Policies[grants].PolicyDocument.Statement[Logs].Action`.
///
/// ```
/// use cloudformation_diff::PropertyPath;
///
/// let tag = PropertyPath::default().name("Tags").item("Team").name("Value");
/// assert_eq!(tag.to_string(), "Tags[Team].Value");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PropertyPath(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Step {
    /// An entry of a map.
    Name(String),
    /// An item of a list, by its position or name.
    Item(String),
}

impl PropertyPath {
    /// The path of an entry of the map at this path.
    #[must_use]
    pub fn name(&self, name: &str) -> Self {
        self.then(Step::Name(name.to_owned()))
    }

    /// The path of an item of the list at this path.
    #[must_use]
    pub fn item(&self, item: impl fmt::Display) -> Self {
        self.then(Step::Item(item.to_string()))
    }

    fn then(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// The name of the innermost property on the path. Items of lists do not count.
    pub(crate) fn property(&self) -> &str {
        let names = self.0.iter().rev().find_map(|step| match step {
            Step::Name(name) => Some(name.as_str()),
            Step::Item(_) => None,
        });
        names.unwrap_or_default()
    }

    /// Whether the path is inside a property with this name, at any depth.
    pub(crate) fn is_below(&self, property: &str) -> bool {
        let above = self.0.split_last().map_or(&[][..], |(_, above)| above);
        let mut above = above.iter();
        above.any(|step| matches!(step, Step::Name(name) if name == property))
    }

    /// Whether the path is equal to the other, or inside it.
    pub(crate) fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// How the path relates to a pattern such as `Rule.AllRegions`, in which `*` is any item of a list.
    pub(crate) fn match_pattern<'a>(&self, pattern: &'a str) -> PatternMatch<'a> {
        let mut parts = pattern.split('.');
        for step in &self.0 {
            match (parts.next(), step) {
                (None, _) => return PatternMatch::Inside,
                (Some("*"), Step::Item(_)) => {}
                (Some(part), Step::Name(name)) if part == name => {}
                _ => return PatternMatch::None,
            }
        }
        let rest: Vec<_> = parts.collect();
        if rest.is_empty() {
            PatternMatch::Inside
        } else {
            PatternMatch::Above(rest)
        }
    }

    /// Whether the path is exactly what a pattern describes.
    pub(crate) fn is_exactly(&self, pattern: &str) -> bool {
        let is_as_long = pattern.split('.').count() == self.0.len();
        is_as_long && self.match_pattern(pattern) == PatternMatch::Inside
    }

    /// Whether the path is inside an item of a list, and not the item itself.
    pub(crate) fn is_in_item(&self) -> bool {
        let item = self.0.iter().position(|step| matches!(step, Step::Item(_)));
        item.is_some_and(|position| position + 1 < self.0.len())
    }
}

/// How a path relates to a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PatternMatch<'a> {
    /// The path is elsewhere.
    None,
    /// The path is what the pattern describes, or inside it.
    Inside,
    /// What the pattern describes is inside the path, under these names.
    Above(Vec<&'a str>),
}

impl fmt::Display for PropertyPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Name(name) if index == 0 => formatter.write_str(name)?,
                Step::Name(name) => write!(formatter, ".{name}")?,
                Step::Item(item) => write!(formatter, "[{item}]")?,
            }
        }
        Ok(())
    }
}

impl Serialize for PropertyPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_has_its_property_and_is_inside_an_item() {
        let definitions = PropertyPath::default().name("AttributeDefinitions");
        let item = definitions.item("job_id");
        let kind = item.name("AttributeType");
        assert_eq!(
            kind.to_string(),
            "AttributeDefinitions[job_id].AttributeType"
        );
        assert_eq!(kind.property(), "AttributeType");
        assert_eq!(item.property(), "AttributeDefinitions");
        assert_eq!(
            kind.match_pattern("AttributeDefinitions"),
            PatternMatch::Inside
        );
        assert_eq!(kind.match_pattern("Attribute"), PatternMatch::None);
        assert_eq!(
            definitions.match_pattern("AttributeDefinitions.*.A"),
            PatternMatch::Above(vec!["*", "A"])
        );
        assert!(kind.is_in_item());
        assert!(!item.is_in_item());
    }
}
