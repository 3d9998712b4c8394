//! Names and ARNs of the contract with the stack's values in place of their placeholders.

use cloudformation::{ParameterName, Pseudo, StringValue, Sub};
use typed_contract::patterns::{Part, Placeholder, parts};

use crate::stack::NAME_SUFFIX;

/// The pattern with references to the stack's values; text if it has no placeholder.
pub(crate) fn resolve(pattern: &'static str) -> StringValue {
    let is_text = parts(pattern).all(|part| matches!(part, Part::Text(_)));
    if is_text {
        return pattern.into();
    }
    let sub = parts(pattern).fold(Sub::default(), |sub, part| match part {
        Part::Text(text) => sub.then(text),
        Part::Placeholder(Placeholder::Partition) => sub.then(Pseudo::Partition),
        Part::Placeholder(Placeholder::Region) => sub.then(Pseudo::Region),
        Part::Placeholder(Placeholder::Account) => sub.then(Pseudo::AccountId),
        Part::Placeholder(Placeholder::Suffix) => sub.then(&ParameterName::new(NAME_SUFFIX)),
    });
    StringValue::Sub(sub)
}

/// The ARN of a resource of the stack's account and region.
pub(crate) fn arn(service: &'static str, resource: impl Into<StringValue>) -> Sub {
    Sub::default()
        .then("arn:")
        .then(Pseudo::Partition)
        .then(":")
        .then(service)
        .then(":")
        .then(Pseudo::Region)
        .then(":")
        .then(Pseudo::AccountId)
        .then(":")
        .then(resource)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_without_placeholders_is_text() {
        assert_eq!(
            resolve("arn:aws:s3:::prices/*"),
            "arn:aws:s3:::prices/*".into()
        );
    }

    #[test]
    fn placeholders_are_references_to_the_stack() {
        let arn = resolve("arn:{partition}:sns:{region}:{account}:alerts{suffix}");
        let json = serde_json::to_value(arn).expect("serializes");
        assert_eq!(
            json["Fn::Sub"],
            "arn:${AWS::Partition}:sns:${AWS::Region}:${AWS::AccountId}:alerts${NameSuffix}"
        );
    }
}
