//! What has to be agreed to before CloudFormation deploys a template.
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html>

use crate::diff::TemplateDocument;

/// What is agreed to: that roles are made, that macros are expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities(Vec<&'static str>);

/// The properties that give something of IAM a name of one's own choice.
const NAMES: [&str; 5] = [
    "RoleName",
    "UserName",
    "GroupName",
    "ManagedPolicyName",
    "InstanceProfileName",
];

impl Capabilities {
    /// What a template needs, and no more.
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

    /// AWS's names for it.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_a_template_needs_is_agreed_to() {
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
