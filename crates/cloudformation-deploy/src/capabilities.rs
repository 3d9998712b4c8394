//! The capabilities that a template requires: consent to IAM resources and macros.
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html>

use cloudformation_diff::TemplateDocument;

/// The capabilities that a change set acknowledges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities(Vec<&'static str>);

/// The properties that set the name of an IAM resource.
const NAMES: [&str; 5] = [
    "RoleName",
    "UserName",
    "GroupName",
    "ManagedPolicyName",
    "InstanceProfileName",
];

impl Capabilities {
    /// The capabilities that a template requires, and no others.
    pub fn of(template: &TemplateDocument) -> Self {
        let mut names = Vec::new();
        if template.has_property("AWS::IAM::", &NAMES) {
            names.push("CAPABILITY_NAMED_IAM");
        } else if template.has_type("AWS::IAM::") {
            names.push("CAPABILITY_IAM");
        }
        if template.has_transform() {
            names.push("CAPABILITY_AUTO_EXPAND");
        }
        Self(names)
    }

    /// CloudFormation's names of the capabilities.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn capabilities_are_those_that_the_template_requires() {
        let of = |kind: &str, properties: serde_json::Value, transform: &str| {
            let mut template =
                json!({ "Resources": { "It": { "Type": kind, "Properties": properties } } });
            if !transform.is_empty() {
                template["Transform"] = transform.into();
            }
            Capabilities::of(&TemplateDocument::from_json(template).expect("a template")).0
        };
        let (queue, role) = ("AWS::SQS::Queue", "AWS::IAM::Role");
        assert_eq!(of(queue, json!({ "RoleName": "not one" }), ""), [""; 0]);
        assert_eq!(of(role, json!({}), ""), ["CAPABILITY_IAM"]);
        assert_eq!(
            of(role, json!({ "RoleName": "it" }), ""),
            ["CAPABILITY_NAMED_IAM"]
        );
        let sam = "AWS::Serverless-2016-10-31";
        assert_eq!(of(queue, json!({}), sam), ["CAPABILITY_AUTO_EXPAND"]);
    }
}
