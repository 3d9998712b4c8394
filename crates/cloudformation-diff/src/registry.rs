//! What CloudFormation's registry says about resource types, as far as a comparison needs it.

/// One resource type per line, written by `registry.py`, whose first lines describe the format.
const REGISTRY: &str = include_str!("registry.txt");

/// The properties of a type with their marks. None if the registry does not have the type.
fn marked_properties(kind: &str) -> Option<impl Iterator<Item = &'static str>> {
    let mut lines = REGISTRY.lines().filter(|line| !line.starts_with('#'));
    let properties = lines.find_map(|line| match line.strip_prefix(kind)? {
        "" => Some(""),
        more => more.strip_prefix(' '),
    })?;
    Some(properties.split_terminator(' '))
}

/// The properties of a type whose change replaces its resource, and whether every change does. None if the
/// registry does not have the type.
pub(crate) fn replacements(kind: &str) -> Option<impl Iterator<Item = (&'static str, bool)>> {
    let properties = marked_properties(kind)?.filter(|property| !property.starts_with('~'));
    Some(properties.map(|property| match property.strip_prefix('?') {
        Some(property) => (property, false),
        None => (property, true),
    }))
}

/// Lists of a resource type whose order has no meaning.
#[derive(Debug, Default)]
pub(crate) struct UnorderedLists(Vec<&'static str>);

impl UnorderedLists {
    /// The lists of a type. None if the registry does not have the type, or no such list.
    pub(crate) fn of(kind: &str) -> Self {
        let properties = marked_properties(kind).into_iter().flatten();
        Self(properties.filter_map(|it| it.strip_prefix('~')).collect())
    }

    /// Patterns of the paths to the lists.
    pub(crate) fn patterns(&self) -> &[&'static str] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_is_found_by_its_whole_name() {
        let queue: Vec<_> = replacements("AWS::SQS::Queue")
            .into_iter()
            .flatten()
            .collect();
        assert_eq!(queue, [("FifoQueue", true), ("QueueName", true)]);
        for unknown in ["AWS::SQS::Que", "#", "", "Custom::Queue"] {
            assert!(replacements(unknown).is_none(), "{unknown}");
        }
    }

    #[test]
    fn lists_without_order_are_apart_from_replacements() {
        let kind = "AWS::EC2::SecurityGroup";
        let lists = UnorderedLists::of(kind);
        assert_eq!(
            lists.patterns(),
            ["SecurityGroupEgress", "SecurityGroupIngress"]
        );
        let mut replacing = replacements(kind).expect("a type");
        assert!(replacing.all(|(name, _)| !name.starts_with("SecurityGroupIn")));
        assert!(UnorderedLists::of("Custom::Group").patterns().is_empty());
    }
}
